// One run of wrangler dev, from its start to the end of its last child, with the cron that it
// does not fire by itself.
import { setTimeout as sleep } from "node:timers/promises"

import { onLines } from "../output.mjs"
import { descendantsOf, endAll, endTree } from "../processes.mjs"
import { exitCode, spawnWrangler } from "../wrangler.mjs"
import { StartError } from "./options.mjs"

const CRON_INTERVAL_MS = 60_000
const READY_TIMEOUT_MS = 60_000
const PROBE_TIMEOUT_MS = 5_000
const POLL_MS = 100
/** wrangler ends with its children within a tenth of a second; what takes this long is stuck. */
const STOP_TIMEOUT_MS = 5_000

/**
 * Starts wrangler dev. `ready` resolves once it answers, or rejects with a StartError that
 * holds what it printed.
 */
export function startWrangler(args, port) {
  const url = `http://127.0.0.1:${port}`
  const child = spawnWrangler(["dev", ...args, "--port", String(port)], { stdio: ["ignore", "pipe", "pipe"] })
  const exited = exitCode(child)
  const beforeReady = []
  let onLine = (line) => beforeReady.push(line)
  onLines(child, (line) => onLine(line))

  let code
  void exited.then((exit) => (code = exit))
  // A wrangler that is killed leaves its workerd running, on the database that the next one is going to open.
  let family = []
  child.once("exit", () => endAll(family))

  function kill() {
    if (code === undefined) endTree(child.pid)
  }
  function stop() {
    // Windows knows no SIGTERM: there only the whole tree can be ended.
    if (process.platform === "win32") kill()
    else child.kill("SIGTERM")
    const stuck = setTimeout(kill, STOP_TIMEOUT_MS)
    return exited.finally(() => clearTimeout(stuck))
  }

  function everyMinute() {
    void fireCron(url)
    family = descendantsOf(child.pid)
  }
  async function becomeReady() {
    try {
      await waitUntilReady(url, () => code)
    } catch (error) {
      await stop()
      throw new StartError([...beforeReady, error.message].join("\n"))
    }
    // The first run is at once: the local queues forgot, when they stopped, what the database still owes.
    everyMinute()
    const timer = setInterval(everyMinute, CRON_INTERVAL_MS)
    void exited.then(() => clearInterval(timer))
  }

  return {
    port,
    exited,
    stop,
    kill,
    ready: becomeReady(),
    /** What is printed from now on; what was printed before is of interest only if it does not start. */
    onLine(callback) {
      onLine = callback
    },
  }
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
