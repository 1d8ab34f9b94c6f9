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
  /** @type {Promise<unknown>} */
  let before = Promise.resolve()
  /** One question at a time: its answer is the next message, whoever else asks meanwhile. */
  function ask(question) {
    const asked = before.then(() => {
      child.send(question)
      return answer()
    })
    before = asked.catch(() => {})
    return asked
  }
  return {
    url: `http://127.0.0.1:${port}`,
    count: async (run) => (await ask({ run, count: true })).count,
    /** @returns {Promise<[event: number, at: number, path: string][]>} */
    arrivals: async (run) => (await ask({ run })).arrivals,
    stop: () => child.connected && child.disconnect(),
  }
}

/**
 * Publishes `events` events over so many connections, each with one request at a time, and waits for
 * what comes of them. Ends by itself: publishing after `acceptMs`, waiting `deliverMs` later, with
 * what has arrived by then.
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
  const lags = lagsOf(acceptedAt, arrivals)
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

/**
 * Publishes at a fixed rate, whatever becomes of the requests before: a system that is slow is not spared.
 * Answers when each event was accepted, and how many were not, once every request has an answer.
 * @param {{
 *   run: string, perSecond: number, forMs: number, signal?: AbortSignal | undefined,
 *   target: { url: string, headers: Record<string, string>, body(mark: string): string },
 * }} load
 */
export async function putSteadyLoad({ run, perSecond, forMs, target, signal }) {
  const agent = new Agent({ keepAlive: true })
  const acceptedAt = new Map()
  let refused = 0
  async function publish(event) {
    const status = await post(agent, target, target.body(`${run}-${event}`)).catch(() => 0)
    if (status >= 200 && status < 300) acceptedAt.set(event, now())
    else refused++
  }
  const start = now()
  const requests = []
  for (let sent = 0; sent < (forMs / 1000) * perSecond && !signal?.aborted; sent++) {
    await sleep(Math.max(0, start + (sent * 1000) / perSecond - now()))
    requests.push(publish(sent))
  }
  await Promise.all(requests)
  agent.destroy()
  return { acceptedAt, refused }
}

/**
 * Publishes at a fixed rate, and answers how late the events came at these paths of the sink, each of
 * which is owed all of them.
 * @param {{
 *   run: string, perSecond: number, forMs: number, patienceMs: number, paths: readonly string[], signal?: AbortSignal | undefined,
 *   target: { url: string, headers: Record<string, string>, body(mark: string): string },
 *   sink: Awaited<ReturnType<typeof startSink>>,
 * }} load `patienceMs`: what is later than that behind the last event is missing
 */
export async function lagsUnderLoad({ paths, patienceMs, sink, ...load }) {
  const { acceptedAt, refused } = await putSteadyLoad(load)
  const owed = acceptedAt.size * paths.length
  const giveUpAt = now() + patienceMs
  let lags = []
  do {
    await sleep(POLL_MS)
    const arrivals = (await sink.arrivals(load.run)).filter(([, , path]) => paths.includes(path))
    lags = lagsOf(acceptedAt, arrivals)
  } while (lags.length < owed && now() < giveUpAt && !load.signal?.aborted)
  return {
    refused,
    missing: owed - lags.length,
    p50Ms: quantile(lags, 0.5),
    p99Ms: quantile(lags, 0.99),
    maxMs: quantile(lags, 1),
  }
}

/** Where messages to an application are published, and how one with this mark looks. */
export function messageTarget(url, application) {
  return {
    url: `${url}/api/v1/app/${application}/msg`,
    headers: { "content-type": "application/json" },
    body: (mark) => JSON.stringify({ eventType: "bench.measured", payload: { mark, fill: "x".repeat(200) } }),
  }
}

/**
 * How long after its event was accepted each arrival came, the first one at each path.
 * @param {Map<number, number>} acceptedAt
 * @param {[event: number, at: number, path: string][]} arrivals
 */
export function lagsOf(acceptedAt, arrivals) {
  const seen = new Set()
  return arrivals.flatMap(([event, at, path]) => {
    const accepted = acceptedAt.get(event)
    const isFirst = !seen.has(`${event} ${path}`)
    seen.add(`${event} ${path}`)
    // An event can arrive before its publisher has read the answer.
    return accepted !== undefined && isFirst ? [Math.max(0, at - accepted)] : []
  })
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

/**
 * The value below which such a share of them lies; null of none.
 * @param {number[]} values
 */
export function quantile(values, share) {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? null
}
