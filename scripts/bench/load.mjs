import { fork } from "node:child_process"
import { once } from "node:events"
import { Agent, request } from "node:http"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"

import { now } from "./now.mjs"

const POLL_MS = 50

/** Starts the receiver; `url` is where it listens. */
export async function startSink() {
  const child = fork(fileURLToPath(new URL("sink.mjs", import.meta.url)))
  const gone = new AbortController()
  child.once("exit", () => gone.abort(new Error("The sink has ended")))
  const answer = async () => (await once(child, "message", { signal: gone.signal }))[0]
  const { port } = await answer()
  function ask(question) {
    child.send(question)
    return answer()
  }
  return {
    url: `http://127.0.0.1:${port}`,
    count: async (run) => (await ask({ run, count: true })).count,
    /** @returns {Promise<[event: number, at: number][]>} */
    arrivals: async (run) => (await ask({ run })).arrivals,
    stop: () => child.connected && child.disconnect(),
  }
}

/**
 * Publishes `events` events over so many connections, each with one request at a time, and waits for what comes
 * of them. Ends by itself: publishing after `acceptMs`, waiting `deliverMs` later, with what has arrived by then.
 * @param {{
 *   run: string, events: number, connections: number, endpoints: number, acceptMs: number, deliverMs: number,
 *   target: { url: string, headers: Record<string, string>, body(mark: string): string },
 *   sink: Awaited<ReturnType<typeof startSink>>, signal: AbortSignal,
 * }} load
 */
export async function putLoad(load) {
  const { run, events, connections, endpoints, acceptMs, deliverMs, target, sink, signal } = load
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const acceptedAt = new Map()
  let next = 0
  let refused = 0
  const start = now()

  async function connection() {
    while (next < events && now() - start < acceptMs && !signal.aborted) {
      const event = next++
      const status = await post(agent, target, target.body(`${run}-${event}`)).catch(() => 0)
      if (status >= 200 && status < 300) acceptedAt.set(event, now())
      else refused++
    }
  }
  await Promise.all(Array.from({ length: connections }, connection))
  agent.destroy()
  const lastAnswer = Math.max(start, ...acceptedAt.values())

  const owed = acceptedAt.size * endpoints
  const giveUpAt = now() + deliverMs
  while ((await sink.count(run)) < owed && now() < giveUpAt && !signal.aborted) await sleep(POLL_MS)
  const arrivals = await sink.arrivals(run)
  // Counted from the first request on: nothing can be delivered before it is accepted.
  const lastArrival = Math.max(start, ...arrivals.map(([, at]) => at))
  const lags = arrivals.flatMap(([event, at]) =>
    // An event can arrive before its publisher has read the answer.
    acceptedAt.has(event) ? Math.max(0, at - acceptedAt.get(event)) : [],
  )
  return {
    accepted: acceptedAt.size,
    refused,
    missing: Math.max(0, owed - arrivals.length),
    acceptPerSecond: perSecond(acceptedAt.size, lastAnswer - start),
    deliverPerSecond: perSecond(arrivals.length, lastArrival - start),
    lagP50Ms: quantile(lags, 0.5),
    lagP99Ms: quantile(lags, 0.99),
  }
}

function post(agent, { url, headers }, body) {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      url,
      {
        method: "POST",
        agent,
        headers: { ...headers, "content-length": Buffer.byteLength(body) },
        timeout: 15_000,
      },
      (response) =>
        response
          .resume()
          .on("end", () => resolve(response.statusCode))
          .on("error", reject),
    )
    outgoing.on("timeout", () => outgoing.destroy(new Error("no answer")))
    outgoing.on("error", reject)
    outgoing.end(body)
  })
}

function perSecond(count, ms) {
  return ms > 0 ? (count / ms) * 1000 : 0
}

/** @param {number[]} values */
function quantile(values, share) {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? null
}
