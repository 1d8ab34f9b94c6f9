// The whole system on this machine: a migrated database, `wrangler dev` behind a door of ours, and the cron, which
// wrangler dev does not fire by itself. Used by `npm start`, by the demo and by the system tests.
import { randomBytes } from "node:crypto"
import { resolve } from "node:path"

import { openFrontDoor, STARTING } from "./dev-server/front-door.mjs"
import { keepWranglerUp } from "./dev-server/keep-up.mjs"
import { migrate } from "./dev-server/migrate.mjs"
import { devArguments, readSettings, readStartOptions, StartError } from "./dev-server/options.mjs"
import { lockState, StateError } from "./dev-server/state-lock.mjs"
import { root } from "./wrangler.mjs"

export { StartError } from "./dev-server/options.mjs"
export { findFreePort } from "./port.mjs"

const DEFAULT_PORT = 8787
const DEFAULT_STATE = ".wrangler/state"
const PROBE_TIMEOUT_MS = 5_000

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
    const fault = await migrate(options["persist-to"] ?? DEFAULT_STATE, options, signal)
    if (fault !== undefined) throw new StartError(`${fault}The local database could not be migrated.`)
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

/** Where a server that listens on `ip` is found from this machine. */
function reachableHost(ip) {
  if (["0.0.0.0", "::", "*"].includes(ip)) return "127.0.0.1"
  return ip.includes(":") ? `[${ip}]` : ip
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
