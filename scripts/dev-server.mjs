// The whole system on this machine: a migrated database, `wrangler dev` behind a door of ours, and the cron, which
// wrangler dev does not fire by itself. Used by `npm start`, by the demo and by the system tests.
import { randomBytes } from "node:crypto"
import { existsSync, readFileSync } from "node:fs"
import { createServer } from "node:net"
import { join, resolve } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { parseArgs, parseEnv } from "node:util"

import { openFrontDoor, STARTING } from "./front-door.mjs"
import { onLines } from "./output.mjs"
import { portOf } from "./port.mjs"
import { descendantsOf, endAll, endTree } from "./processes.mjs"
import { lockState, StateError } from "./state-lock.mjs"
import { asArguments, exitCode, passOn, root, runWrangler, shardsOf, spawnWrangler } from "./wrangler.mjs"

const DEFAULT_PORT = 8787
const DEFAULT_STATE = ".wrangler/state"
const CRON_INTERVAL_MS = 60_000
const READY_TIMEOUT_MS = 60_000
const PROBE_TIMEOUT_MS = 5_000
const POLL_MS = 100
/** wrangler ends with its children within a tenth of a second; what takes this long is stuck. */
const STOP_TIMEOUT_MS = 5_000
/** A wrangler that ends again and again within this time would end for ever. */
const RESTARTS = { most: 5, withinMs: 60_000 }
/** What is kept of the output until somebody asks for it. */
const KEPT_LINES = 1_000

/** @type {{ type: "string" }} */
const text = { type: "string" }
/** What may be given: where to listen is the business of our own door, the rest goes on to wrangler dev. */
const OPTIONS = {
  port: text,
  ip: text,
  "persist-to": text,
  var: { ...text, multiple: /** @type {const} */ (true), default: /** @type {string[]} */ ([]) },
  config: { ...text, short: "c" },
  env: { ...text, short: "e" },
  define: { ...text, multiple: /** @type {const} */ (true) },
  "inspector-port": text,
  "log-level": text,
  "live-reload": /** @type {{ type: "boolean" }} */ ({ type: "boolean" }),
}

/** Something that the person who started us can put right; shown without a stack. */
export class StartError extends Error {}

/** A StartError about the command line itself. */
export class UsageError extends StartError {}

/**
 * Starts the system and resolves once it answers; the arguments are those of `npm start`. An aborted `signal`
 * stops whatever is running, and `say` is told of a wrangler that ended by itself and is started again.
 * @param {{ args?: string[], signal?: AbortSignal, say?: (line: string) => void }} [options]
 */
export async function startServer({ args = [], signal, say = () => {} } = {}) {
  const options = readStartOptions(args)
  const host = options.ip ?? "127.0.0.1"
  const port = Number(options.port ?? DEFAULT_PORT)
  const url = `http://${reachableHost(host)}:${port}`
  const secret = randomBytes(32).toString("base64url")
  const settings = readSettings(options.var)

  const { door, lock } = await takePortAndState({ host, port, url, secret, options })
  async function release() {
    await door.close()
    lock.release()
  }
  /** @param {Promise<number>} ended */
  async function releaseAfter(ended) {
    const code = await ended
    await release()
    return code
  }
  try {
    await migrate(options, signal)
    const wrangler = await keepWranglerUp(devArguments(options, { url, secret, settings }), {
      door,
      say,
      signal,
    })
    const exited = releaseAfter(wrangler.exited)
    return {
      url,
      settings,
      /** Resolves to a code when all has ended, and the port and the folder are free again. */
      exited,
      stop() {
        wrangler.stop()
        return exited
      },
      /** Ends wrangler at once, with all its children. */
      kill: wrangler.kill,
      /** The last lines that nobody was shown. */
      output: wrangler.output,
      /** Hands over what was printed since the start, and each line that comes. */
      show: wrangler.show,
    }
  } catch (error) {
    await release()
    throw error
  }
}

/**
 * The options of `npm start`. Throws a UsageError that says what to change.
 * @param {string[]} args
 */
export function readStartOptions(args) {
  const { port, ...others } = parse(args)
  if (port !== undefined && !(/^\d+$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535)) {
    throw new UsageError("--port must be a number from 1 to 65535")
  }
  const odd = others.var.find((setting) => !/^\w+:/.test(setting))
  if (odd !== undefined) throw new UsageError(`--var ${odd} must be NAME:value`)
  return { ...others, ...(port !== undefined && { port }) }
}

function parse(args) {
  try {
    return parseArgs({ args, options: OPTIONS }).values
  } catch (error) {
    // The first sentence says what is wrong, the rest how parseArgs could be told to take it.
    throw new UsageError(error.message.replace(/[.\n].*$/s, ""))
  }
}

/**
 * A port of loopback that nobody listens on.
 * @returns {Promise<number>}
 */
export function findFreePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const port = portOf(server)
      server.close(() => resolve(port))
    })
  })
}

/**
 * The variables as the Worker will see them: `--var NAME:value` goes before .dev.vars, a later one before an
 * earlier. What neither says of AUTH_MODE is open, and an invocation may do what a paid plan allows.
 */
function readSettings(vars) {
  const file = join(root, ".dev.vars")
  const given = vars.map((setting) => /^([^:]*):(.*)$/s.exec(setting)?.slice(1) ?? [])
  return {
    AUTH_MODE: "open",
    ATTEMPTS_PER_INVOCATION: "120",
    ...(existsSync(file) && parseEnv(readFileSync(file, "utf8"))),
    ...Object.fromEntries(given),
  }
}

/** Where a server that listens on `ip` is found from this machine. */
function reachableHost(ip) {
  if (["0.0.0.0", "::", "*"].includes(ip)) return "127.0.0.1"
  return ip.includes(":") ? `[${ip}]` : ip
}

/**
 * What wrangler dev is started with, but for its port, which each start finds anew; of a variable, the last one counts.
 * @param {ReturnType<typeof readStartOptions>} options
 */
function devArguments({ port: _, ip: __, var: vars, ...options }, { url, secret, settings }) {
  const { AUTH_MODE, ATTEMPTS_PER_INVOCATION } = settings
  const own = [
    `PUBLIC_URL:${url}`,
    `AUTH_MODE:${AUTH_MODE}`,
    `ATTEMPTS_PER_INVOCATION:${ATTEMPTS_PER_INVOCATION}`,
    `OPEN_SECRET:${secret}`,
  ]
  // 0 is any free port: two systems can run side by side.
  return asArguments({ ip: "127.0.0.1", "inspector-port": "0", ...options, var: [...own, ...vars] })
}

/** Both, or neither and a StartError that names all that is in the way. */
async function takePortAndState({ host, port, url, secret, options }) {
  const [door, lock] = await Promise.allSettled([
    openFrontDoor(host === "*" ? "0.0.0.0" : host, port, secret),
    lockState(resolve(root, options["persist-to"] ?? DEFAULT_STATE), url),
  ])
  if (door.status === "fulfilled" && lock.status === "fulfilled") {
    return { door: door.value, lock: lock.value }
  }
  const reasons = []
  if (door.status === "rejected") reasons.push(await whyNoPort(door.reason, url, port))
  else await door.value.close()
  if (lock.status === "fulfilled") lock.value.release()
  else if (lock.reason instanceof StateError) reasons.push(lock.reason.message)
  else throw lock.reason
  throw new StartError(reasons.join("\n"))
}

async function whyNoPort(error, url, port) {
  if (error.code !== "EADDRINUSE") return `Cannot listen on ${url}: ${error.message}`
  const who = (await isPosthorn(url)) ? `a Posthorn that is up already: ${url}` : "another program"
  return `Port ${port} is taken by ${who}. Choose another one, such as: npm start -- --port ${port + 1}`
}

async function isPosthorn(url) {
  try {
    const response = await fetch(`${url}/health`, { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) })
    const { detail, database, queues, sweep } = /** @type {any} */ (await response.json())
    return detail === STARTING || Boolean(database && queues && sweep)
  } catch {
    return false
  }
}

/** Brings the databases that `wrangler dev` is going to use up to date. */
async function migrate(options, signal) {
  for (const { binding } of shardsOf(options.config)) {
    const { code, stdout, stderr } = await runWrangler(
      ["d1", "migrations", "apply", binding, "--local", ...passOn(options, ["persist-to", "config", "env"])],
      { signal },
    )
    if (code !== 0) throw new StartError(`${stdout}${stderr}The local database could not be migrated.`)
  }
}

/**
 * Resolves once wrangler dev answers behind the door, and from then on starts it again whenever it ends by itself.
 * `exited` resolves to a code when it was stopped, or when there is no keeping it up.
 */
async function keepWranglerUp(args, { door, say, signal }) {
  const stopping = new AbortController()
  const log = createLog()
  let run

  async function launch() {
    run = startWrangler(args, await findFreePort())
    const { stop } = run
    stopping.signal.addEventListener("abort", () => void stop(), { once: true })
    if (stopping.signal.aborted) void stop()
    await run.ready
    run.onLine(log.add)
    door.leadTo(run.port)
  }

  async function keepUp() {
    let ends = []
    for (;;) {
      const code = await run.exited
      door.leadTo(undefined)
      if (stopping.signal.aborted) return code
      ends = [...ends.filter((at) => at > Date.now() - RESTARTS.withinMs), Date.now()]
      if (ends.length > RESTARTS.most) {
        say(`wrangler dev ended ${ends.length} times within a minute; it is not started again.`)
        return code || 1
      }
      say(`wrangler dev ended by itself with code ${code}; starting it again …`)
      try {
        await launch()
      } catch (error) {
        if (!stopping.signal.aborted) say(error.message)
        return 1
      }
      say("wrangler dev is up again.")
    }
  }

  signal?.addEventListener("abort", () => stopping.abort())
  if (signal?.aborted) stopping.abort()
  await launch()
  return {
    exited: keepUp(),
    stop: () => stopping.abort(),
    kill: () => run.kill(),
    output: log.text,
    show: log.show,
  }
}

/** One run of wrangler dev. `ready` resolves once it answers, or rejects with a StartError that holds what it printed. */
function startWrangler(args, port) {
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

/** Keeps the last lines until somebody wants them shown as they come. */
function createLog() {
  let lines = []
  let print
  return {
    add(line) {
      if (print) print(line)
      else lines = [...lines.slice(1 - KEPT_LINES), line]
    },
    text: () => lines.join("\n"),
    show(how) {
      print = how
      for (const line of lines) print(line)
      lines = []
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
