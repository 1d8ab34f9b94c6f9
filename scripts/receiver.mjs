// A real webhook receiver on this machine, for npm run receive, the demo and the system tests.
import { once } from "node:events"
import { createServer } from "node:http"
import { text } from "node:stream/consumers"

import { portOf } from "./port.mjs"

/** @typedef {{ path: string, headers: Record<string, string>, body: string, at: number }} Arrival */

/**
 * Takes every POST, remembers it, tells of it, and answers 200 unless told otherwise.
 * Rejects as `listen` does.
 * @param {number} [port]
 * @param {{ status?: number | ((path: string) => number), onArrival?: (request: Arrival) => void }} [options]
 */
export async function startReceiver(port = 0, { status = 200, onArrival = () => {} } = {}) {
  /** @type {Arrival[]} */
  const requests = []
  const waiting = new Set()
  let statuses = []

  const server = createServer((request, response) => {
    receive(request, response).catch(() => response.destroy())
  })
  async function receive(request, response) {
    const body = await text(request)
    const arrived = { path: request.url, headers: request.headers, body, at: Date.now() }
    requests.push(arrived)
    onArrival(arrived)
    for (const look of waiting) look()
    const usual = typeof status === "function" ? status(arrived.path) : status
    response.writeHead(statuses.shift() ?? usual, { "content-type": "application/json" })
    response.end(JSON.stringify({ received: true }))
  }
  server.listen(port, "127.0.0.1")
  await once(server, "listening")

  /**
   * The first `count` requests that fit, once they have all arrived.
   * @param {number} count
   * @param {(request: Arrival) => boolean} fits
   * @returns {Promise<Arrival[]>}
   */
  function arrivals(count, fits, timeoutMs = 20_000) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => settle(reject, new Error(report())), timeoutMs)
      waiting.add(look)
      look()

      function look() {
        const found = requests.filter(fits)
        if (found.length >= count) settle(resolve, found.slice(0, count))
      }
      function settle(how, value) {
        clearTimeout(timer)
        waiting.delete(look)
        how(value)
      }
      function report() {
        return `${requests.filter(fits).length} of ${count} requests arrived within ${timeoutMs / 1000} s`
      }
    })
  }

  return {
    url: `http://127.0.0.1:${portOf(server)}`,
    requests,
    /** The statuses of the next answers, one each. */
    answers(...next) {
      statuses = next
    },
    arrivals,
    /**
     * The first request that fits, once it has arrived.
     * @param {(request: Arrival) => boolean} fits
     * @param {number} [timeoutMs]
     * @returns {Promise<Arrival>}
     */
    async arrival(fits, timeoutMs) {
      const [request] = await arrivals(1, fits, timeoutMs)
      return /** @type {Arrival} */ (request)
    },
    close() {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(resolve))
    },
  }
}
