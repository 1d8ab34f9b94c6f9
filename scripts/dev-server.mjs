// The whole system on this machine: a migrated database, `wrangler dev`, and the cron, which wrangler dev
// does not fire by itself. Used by `npm start`, by the demo and by the system tests.
import { spawnSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { parseEnv } from "node:util"

import { exitCode, passOn, readOptions, root, runWrangler, spawnWrangler } from "./wrangler.mjs"

const DEFAULT_PORT = 8787
const CRON_INTERVAL_MS = 60_000
const READY_TIMEOUT_MS = 60_000
const PROBE_TIMEOUT_MS = 5_000
const POLL_MS = 100
/** wrangler ends with its children within a tenth of a second; what takes this long is stuck. */
const STOP_TIMEOUT_MS = 5_000

/** Something that the person who started us can put right; shown without a stack. */
export class StartError extends Error {}

/**
 * Starts the system with arguments for `wrangler dev`, which win over our own, and resolves once it answers.
 * `quiet` shows wrangler's output only if the start fails; an aborted `signal` stops whatever is running.
 * @param {{ args?: string[], quiet?: boolean, signal?: AbortSignal }} [options]
 */
export async function startServer({ args = [], quiet = false, signal } = {}) {
  const options = readOptions(args)
  const host = reachableHost(options.ip)
  const port = Number(options.port ?? DEFAULT_PORT)
  const url = `http://${host}:${port}`
  await checkPortIsFree(host, port)
  await migrate(options, signal)

  const stream = quiet ? "pipe" : "inherit"
  const child = spawnWrangler(["dev", ...ownArguments(options, port, url), ...args], {
    stdio: ["ignore", stream, stream],
  })
  const exited = exitCode(child)
  let output = ""
  for (const pipe of [child.stdout, child.stderr]) pipe?.on("data", (chunk) => (output += chunk))

  let code
  void exited.then((exit) => (code = exit))

  function kill() {
    if (code === undefined) killTree(child.pid)
  }
  function stop() {
    // Windows knows no SIGTERM: there only the whole tree can be ended.
    if (process.platform === "win32") kill()
    else child.kill("SIGTERM")
    const stuck = setTimeout(kill, STOP_TIMEOUT_MS)
    return exited.finally(() => clearTimeout(stuck))
  }
  signal?.addEventListener("abort", () => void stop())

  try {
    await waitUntilReady(url, () => code)
  } catch (error) {
    await stop()
    throw new StartError(`${output}${error.message}`)
  }

  // The first run is at once: the local queues forgot, when they stopped, what the database still owes.
  void fireCron(url)
  const cron = setInterval(() => void fireCron(url), CRON_INTERVAL_MS)
  void exited.then(() => clearInterval(cron))

  return { url, settings: readSettings(options.var), exited, stop, kill, output: () => output }
}

/**
 * A port of loopback that nobody listens on.
 * @returns {Promise<number>}
 */
export function findFreePort() {
  return listenBriefly("127.0.0.1", 0)
}

/** The variables as the Worker will see them: `--var NAME:value` goes before .dev.vars, a later one before an earlier. */
function readSettings(vars) {
  const file = join(root, ".dev.vars")
  const given = vars.map((text) => /^([^:]*):(.*)$/s.exec(text)?.slice(1) ?? [text, ""])
  return { ...(existsSync(file) && parseEnv(readFileSync(file, "utf8"))), ...Object.fromEntries(given) }
}

/** Where a server that listens on `ip` is found from this machine. */
function reachableHost(ip) {
  if (ip === undefined || ["0.0.0.0", "::", "*"].includes(ip)) return "127.0.0.1"
  return ip.includes(":") ? `[${ip}]` : ip
}

/** wrangler takes an option once, so ours go only where none was given; of a variable, the last one counts. */
function ownArguments(options, port, url) {
  const own = ["--var", `PUBLIC_URL:${url}`]
  if (options.ip === undefined) own.push("--ip", "127.0.0.1")
  // Without a port, wrangler dev quietly takes another one when its own is busy.
  if (options.port === undefined) own.push("--port", String(port))
  // 0 is any free port: two systems can run side by side.
  if (options["inspector-port"] === undefined) own.push("--inspector-port", "0")
  return own
}

async function checkPortIsFree(host, port) {
  if (!(port >= 1 && port <= 65_535)) throw new StartError("--port must be a number from 1 to 65535")
  try {
    await listenBriefly(host.replace(/[[\]]/g, ""), port)
  } catch (error) {
    if (error.code !== "EADDRINUSE")
      throw new StartError(`Cannot listen on ${host}:${port}: ${error.message}`)
    throw new StartError(
      `Port ${port} is taken. Choose another one, such as: npm start -- --port ${port + 1}`,
    )
  }
}

function listenBriefly(host, port) {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject)
    server.listen(port, host, () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}

/** Brings the database that `wrangler dev` is going to use up to date. */
async function migrate(options, signal) {
  const { code, stdout, stderr } = await runWrangler(
    ["d1", "migrations", "apply", "DB", "--local", ...passOn(options, ["persist-to", "config", "env"])],
    { signal },
  )
  if (code !== 0) throw new StartError(`${stdout}${stderr}The local database could not be migrated.`)
}

/** Waits until /health answers, whatever it says: a system that is unwell is up. */
async function waitUntilReady(url, exitedWith) {
  const deadline = Date.now() + READY_TIMEOUT_MS
  while (Date.now() < deadline) {
    const code = exitedWith()
    if (code !== undefined) throw new Error(`wrangler dev ended with code ${code} before it was ready.`)
    try {
      await fetch(`${url}/health`, { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) })
      return
    } catch {
      await sleep(POLL_MS)
    }
  }
  throw new Error(`${url}/health did not answer within ${READY_TIMEOUT_MS / 1000} seconds.`)
}

/** What goes wrong in a run is in the Worker's log, and the next run makes up for it. */
async function fireCron(url) {
  await fetch(`${url}/cdn-cgi/handler/scheduled?cron=*+*+*+*+*`).catch(() => {})
}

/** Ends a process and all below it at once; SIGKILL on wrangler alone would leave its workerd running. */
function killTree(pid) {
  if (process.platform === "win32") {
    spawnSync("taskkill", ["/pid", String(pid), "/t", "/f"])
    return
  }
  const { stdout } = spawnSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" })
  const rows = (stdout ?? "")
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number))
  const family = [pid]
  for (const member of family) {
    family.push(...rows.filter(([, parent]) => parent === member).map(([child]) => child))
    try {
      process.kill(member, "SIGKILL")
    } catch {
      // It has ended meanwhile.
    }
  }
}
