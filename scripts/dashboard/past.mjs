// A past week for a system that has just begun: what the sweep would have counted, hour by hour.

const HOUR_MS = 3600_000
const HOURS = 7 * 24
/** Steps of rules/tally.ts: 50 ms, 1.3 s, 5 ms. */
const QUICK = 4
const SLOW = 14
const AT_ONCE = 0

/**
 * How each endpoint did: how many attempts an hour at the height of a day, how fast, and what
 * went wrong since when.
 */
const PASTS = {
  billing: {
    height: 64,
    step: QUICK,
    fails: (/** @type {number} */ hour) => (hour === 41 ? [5, "5xx"] : [0, "5xx"]),
  },
  crm: { height: 48, step: QUICK, fails: (hour) => [hour < 27 ? 1 : 0, "5xx"] },
  warehouse: { height: 22, step: AT_ONCE, fails: (hour) => [hour < 9 ? 1 : 0, "4xx"] },
  analytics: { height: 70, step: SLOW, fails: (hour) => [noise(hour) > 0.8 ? 0.12 : 0.01, "timeout"] },
  erp: { height: 30, step: QUICK, fails: (hour) => [hour % 24 < 3 ? 0.55 : 0.02, "4xx"] },
}
const SINCE_HOURS = { crm: 27, warehouse: 9 }

/**
 * The SQL that gives endpoints a past; `endpoints` are their ids by uid.
 * @param {ReadonlyMap<string, string>} endpoints
 * @param {number} now
 */
export function pastOf(endpoints, now) {
  const hours = Object.entries(PASTS).flatMap(([uid, past]) =>
    Array.from({ length: HOURS }, (_, ago) => insertHour(endpoints.get(uid), past, ago + 1, now)),
  )
  const failing = Object.entries(SINCE_HOURS).map(
    ([uid, since]) =>
      `update endpoints set failing_since = ${now - since * HOUR_MS} where id = '${endpoints.get(uid)}';`,
  )
  return [...hours, ...failing].join("\n")
}

function insertHour(id, { height, step, fails }, ago, now) {
  const start = now - (now % HOUR_MS) - ago * HOUR_MS
  const attempts = Math.round(height * activity(start) * (0.8 + 0.4 * noise(ago + height)))
  const [share, result] = fails(ago)
  const fail = Math.min(attempts, Math.round(attempts * Number(share)))
  const success = attempts - fail
  const tally = {
    results: { ...(success && { "2xx": success }), ...(fail && { [result]: fail }) },
    types: [
      ["invoice.paid", Math.ceil(success * 0.6), Math.ceil(fail * 0.6)],
      ["customer.updated", Math.floor(success * 0.4), Math.floor(fail * 0.4)],
    ],
    durations: durationsOf(attempts, step),
    lastSuccessAt: success ? start + HOUR_MS - 40_000 : null,
    lastFailureAt: fail ? start + HOUR_MS - 90_000 : null,
  }
  return `insert or replace into endpoint_hours (endpoint_id, hour, counted_to, tally) values ('${id}', ${start}, '', '${JSON.stringify(tally)}');`
}

/** More by day than by night, and less on a weekend. */
function activity(at) {
  const date = new Date(at)
  const byDay = 0.55 - 0.45 * Math.cos(((date.getUTCHours() - 2) / 24) * 2 * Math.PI)
  return date.getUTCDay() % 6 === 0 ? byDay * 0.35 : byDay
}

/** Most take as long as the step says, some a step or two more. */
function durationsOf(attempts, step) {
  const durations = Array.from({ length: step + 4 }, () => 0)
  for (const [more, share] of [0.3, 0.45, 0.2, 0.05].entries()) {
    durations[step + more] = Math.round(attempts * share)
  }
  return durations
}

/** Between 0 and 1, the same each time. */
function noise(seed) {
  const value = Math.sin(seed * 12.9898) * 43_758.5453
  return value - Math.floor(value)
}
