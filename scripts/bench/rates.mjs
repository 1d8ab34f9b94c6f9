// Whether rates are kept in what `npm start` runs: more deliveries than a run lets out are owed to endpoints and to an
// application with a `throttleRate`, and what comes is counted. By `npm run bench:isolation -- --rates`.
import { setTimeout as sleep } from "node:timers/promises"

import { ask, createApplication } from "./api.mjs"
import { openStopped, withSystem } from "./fresh-system.mjs"
import { messageTarget, putLoad } from "./load.mjs"
import { now } from "./now.mjs"
import { table, yesOrNo } from "./table.mjs"

/** @typedef {import("./isolation-cases.mjs").Place} Place */

/** Who has which rate (deliveries a second), and how many endpoints share it. */
const RATES = [
  { of: "an endpoint", perSecond: 5, endpoints: 1 },
  { of: "an endpoint", perSecond: 10, endpoints: 1 },
  { of: "an application", perSecond: 5, endpoints: 2 },
]
/** The rate of all of them while what they will be owed is published: next to nothing goes out. */
const BEFORE_PER_SECOND = 1
const CONNECTIONS = 4
const PUBLISH_WITHIN_MS = 120_000
/** What was late under the load of publishing has been made up for by then. */
const CALM_AFTER_MS = 3_000
/** The first second is not counted: a rate that was not used begins with a portion of a second's worth. */
const UNCOUNTED_MS = 1_000
const COUNTED_MS = 60_000
/** Owed is what would take so long, so that something always waits. */
const OWED_MS = 70_000
const POLL_MS = 250
/** `gapMs`: a portion lasts a second, and the job that brings the next one can come most of another later. */
const BOUNDS = { offPercent: 5, gapMs: 2_000, attempts: 1, failed: 0 }

/**
 * Takes all rates at once on a fresh system; answers a row for each.
 * @param {Place} place
 */
export async function measureRates({ folder, sink, signal }) {
  const cases = await withSystem({ folder, signal }, async ({ url }) => {
    const prepared = await Promise.all(RATES.map((rate, n) => prepare(url, sink, rate, `rate${n}`, signal)))
    await sleep(CALM_AFTER_MS, undefined, { signal })
    return await Promise.all(prepared.map((one) => measure(sink, one, signal)))
  })
  const db = openStopped(folder)
  try {
    return cases.map(({ id, ...one }) => judge({ ...one, ...usedUp(db, id) }))
  } finally {
    db.close()
  }
}

/** The rows as a table, and what it says. */
export function describeRates(rows) {
  const heads = [
    "rate of",
    "endpoints",
    "a second",
    "measured",
    "off %",
    "longest gap ms",
    "attempts",
    "failed",
  ]
  const cells = rows.map(
    ({ of, endpoints, perSecond, measured, offPercent, gapMs, attempts, failed, holds }) => [
      of,
      endpoints,
      perSecond,
      measured,
      offPercent,
      gapMs,
      attempts,
      failed,
      yesOrNo(holds),
    ],
  )
  return `${table([...heads, "holds"], cells)}

Deliveries of a minute, behind the first second, while more are owed than it lets out; attempts is the most that one has used up.
It holds when it is off by at most ${BOUNDS.offPercent} %, nothing comes for at most ${BOUNDS.gapMs} ms, none has a second attempt, and none failed.`
}

/** An application that is owed more than a run lets out; `setRate` gives it its rate, its own or its endpoint's. */
async function prepare(url, sink, rate, run, signal) {
  const urls = Array.from({ length: rate.endpoints }, (_, n) => `${sink.url}/ok/${run}-${n}`)
  const { id, endpointIds } = await createApplication(url, { name: run, endpoints: urls })
  const owner = rate.of === "an application" ? id : `${id}/endpoint/${endpointIds[0]}`
  const setRate = (throttleRate) =>
    ask(`${url}/api/v1/app/${owner}`, { method: "PATCH", json: { throttleRate } })
  await setRate(BEFORE_PER_SECOND)
  await putLoad({
    run,
    events: Math.ceil((rate.perSecond * OWED_MS) / 1000 / rate.endpoints),
    connections: CONNECTIONS,
    endpoints: rate.endpoints,
    acceptMs: PUBLISH_WITHIN_MS,
    deliverMs: 0,
    target: messageTarget(url, id),
    sink,
    signal,
  })
  return { ...rate, id, run, setRate }
}

/** What comes of what is owed, once the rate is set. */
async function measure(sink, { setRate, run, id, ...rate }, signal) {
  const setAt = now()
  await setRate(rate.perSecond)
  const counted = await arrivalsCounted(sink, run, setAt, signal)
  return { id, ...rate, measured: (counted.times.length * 1000) / COUNTED_MS, gapMs: longestGap(counted) }
}

/** What comes in a minute, and from when on: from a second behind the first delivery; if there is none, behind `setAt`. */
async function arrivalsCounted(sink, run, setAt, signal) {
  let [times, from] = [[], setAt]
  do {
    await sleep(POLL_MS, undefined, { signal })
    const all = (await sink.arrivals(run)).map(([, at]) => at)
    times = all.filter((at) => at >= setAt).toSorted((a, b) => a - b)
    from = (times[0] ?? setAt) + UNCOUNTED_MS
  } while (now() < from + COUNTED_MS)
  return { from, times: times.filter((at) => at >= from && at < from + COUNTED_MS) }
}

function longestGap({ from, times }) {
  const ends = [...times, from + COUNTED_MS]
  return Math.max(...ends.map((at, n) => at - (times[n - 1] ?? from)))
}

/** What the deliveries of an application have used up. */
function usedUp(db, applicationId) {
  return db
    .prepare(
      `SELECT max(attempts) AS attempts, sum(status = 'failed') AS failed, sum(status = 'pending') AS waiting
       FROM deliveries WHERE application_id = ?`,
    )
    .get(applicationId)
}

function judge(row) {
  const offPercent = (100 * (row.measured - row.perSecond)) / row.perSecond
  const holds =
    Math.abs(offPercent) <= BOUNDS.offPercent &&
    row.gapMs <= BOUNDS.gapMs &&
    row.attempts <= BOUNDS.attempts &&
    row.failed <= BOUNDS.failed &&
    row.waiting > 0
  return { ...row, offPercent, holds }
}
