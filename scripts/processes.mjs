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

function listProcesses() {
  if (process.platform === "win32") return []
  const { stdout } = spawnSync("ps", ["-A", "-ww", "-o", "pid=,ppid=,command="], { encoding: "utf8" })
  return [...(stdout ?? "").matchAll(/^ *(\d+) +(\d+) (.*)$/gm)].map(([, pid, parent, command]) => ({
    pid: Number(pid),
    parent: Number(parent),
    command,
  }))
}

function end(pid) {
  try {
    process.kill(pid, "SIGKILL")
  } catch {
    // It has ended meanwhile.
  }
}
