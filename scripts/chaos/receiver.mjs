import { once } from "node:events"
import { createServer } from "node:http"
import { text } from "node:stream/consumers"

import { portOf } from "../port.mjs"

/**
 * What a receiver does with the nth try of an event, by the first step of its path and the last digit of the
 * event's id; a number is a status.
 */
const MANNERS = {
  ok: () => 200,
  fail: (tries) => (tries <= 2 ? 500 : 200),
  /** Fails twice for every fourth event. One that fails for all of them is left alone ever longer. */
  flaky: (tries, digit) => (tries <= 2 && digit % 4 === 0 ? 500 : 200),
  reset: (tries) => (tries === 1 ? "reset" : 200),
  /** Never answers the first try of every sixteenth event. */
  hang: (tries, digit) => (tries === 1 && digit === 0 ? "hang" : 200),
  /** Wants no retry: what is left comes by a recovery. */
  abort: (tries) => (tries === 1 ? "abort" : 200),
}

/**
 * @typedef {{ id: string, path: string, tries: number, is: "arrived" | "answered", status: number | string,
 * body: string }} Moment
 */

/**
 * Receivers in this process, so that `onMoment` is called while the sender still waits, and right
 * after it got its answer.
 * @param {(moment: Moment) => void} onMoment
 */
export async function startReceiver(onMoment) {
  /** How often each event was tried at each path, and how often with success. */
  const tries = new Map()
  const taken = new Map()
  const count = (map, key) => map.set(key, (map.get(key) ?? 0) + 1).get(key)

  const server = createServer((request, response) => {
    receive(request, response).catch(() => response.destroy())
  })
  async function receive(request, response) {
    const body = await text(request)
    const path = request.url ?? "/"
    const id = String(request.headers["webhook-id"])
    const nth = count(tries, keyOf(id, path))
    const status = MANNERS[path.split("/")[1] ?? ""](nth, Number.parseInt(id.slice(-1), 16))
    const moment = { id, path, tries: nth, status, body }
    onMoment({ ...moment, is: "arrived" })
    if (status === "hang") return
    if (status === "reset") return response.destroy()
    response.once("finish", () => {
      if (status === 200) count(taken, keyOf(id, path))
      onMoment({ ...moment, is: "answered" })
    })
    if (status === "abort") response.writeHead(500, { "webhook-delivery": "abort-message" }).end()
    else response.writeHead(Number(status)).end()
  }
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  return {
    url: `http://127.0.0.1:${portOf(server)}`,
    /** What was taken with 200, and how often, by `keyOf`. @type {ReadonlyMap<string, number>} */
    taken,
    triesOf: (id, path) => tries.get(keyOf(id, path)) ?? 0,
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}

/** One event at one path. */
export function keyOf(id, path) {
  return `${id} ${path}`
}
