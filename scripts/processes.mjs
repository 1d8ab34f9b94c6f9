// The processes below ours: wrangler starts others, and does not always take them along when it ends.
import { spawnSync } from "node:child_process"

/** Ends a process and all below it at once; SIGKILL on wrangler alone would leave its workerd running. */
export function endTree(pid) {
  // Windows has no `ps`, and a tool of its own for this.
  if (process.platform === "win32") spawnSync("taskkill", ["/pid", String(pid), "/t", "/f"])
  else for (const { pid: member } of [{ pid }, ...descendantsOf(pid)]) end(member)
}

/** All processes below this one, to be known by their command when it has gone; none on Windows. */
export function descendantsOf(pid) {
  const all = listProcesses()
  const family = [{ pid }]
  for (const member of family) family.push(...all.filter(({ parent }) => parent === member.pid))
  return family.slice(1)
}

/** Ends those of these processes that are still there, and still the same. */
export function endAll(processes) {
  const now = new Map(listProcesses().map(({ pid, command }) => [pid, command]))
  for (const { pid, command } of processes) if (now.get(pid) === command) end(pid)
}

/** The processes of a group that have not ended; one whose end nobody took note of has. None on Windows. */
export function livingMembers(group) {
  return listProcesses().filter((one) => one.group === group && !/^[ZX]/.test(one.state))
}

function listProcesses() {
  if (process.platform === "win32") return []
  const columns = "pid=,ppid=,pgid=,stat=,command="
  const { stdout } = spawnSync("ps", ["-A", "-ww", "-o", columns], { encoding: "utf8" })
  return [...(stdout ?? "").matchAll(/^ *(\d+) +(\d+) +(\d+) +(\S+) (.*)$/gm)].map(
    ([, pid, parent, group, state = "", command = ""]) => ({
      pid: Number(pid),
      parent: Number(parent),
      group: Number(group),
      state,
      command,
    }),
  )
}

function end(pid) {
  try {
    process.kill(pid, "SIGKILL")
  } catch {
    // It has ended meanwhile.
  }
}
