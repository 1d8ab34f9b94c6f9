import { type SQL, sql } from "drizzle-orm"
import type { Db, Row } from "../../db/client.ts"
import { idAt } from "../../db/ids.ts"
import { literal } from "../../db/literal.ts"
import type { Deps } from "../../platform/deps.ts"
import { isImpaired, turnOf } from "../rules/endpoint-health.ts"
import { attempt, observed } from "./attempt.ts"
import { type Budget, lastStart, leaseMs } from "./budget.ts"
import {
  type ClaimedDelivery,
  endpointColumns,
  eventColumns,
  MAX_CLAIMS,
  readEndpoint,
  readEvent,
  SUSPECT_CLAIMS,
} from "./claim.ts"
import { fanOut } from "./fan-out.ts"
import { candidates, DIRECT_LIMIT, isInterested } from "./interest.ts"
import { type EventKey, keysIn, readKey, toPairs } from "./jobs.ts"
import { attemptAll } from "./pool.ts"
import { prepare } from "./prepare.ts"
import { record } from "./record.ts"
import { scheduleDrain } from "./schedule.ts"
import { type DeliveryResult, resultsOf } from "./state.ts"
import { follow } from "./stragglers.ts"

/** Events that one pass of catching up takes. */
export const CATCH_UP_EVENTS = 25
/** An event that has waited longer for its dispatch has waited for a batch that waited, and others behind it. */
const BEHIND_MS = 1_500
/** What claiming an event and recording what became of it asks of D1. */
const STATEMENTS_PER_CLAIM = 12

/**
 * Turns events into deliveries: makes the first attempts at once as far as the budget goes, leaves the rest to the
 * retry lane, and records it all in one batch. For jobs that come for the first time: an event's first minute belongs
 * to its own job, so what is owed is only read. Two at once may both send; the one that records second keeps its
 * results as attempts. What is not in its first minute is claimed. Throws only before the first request has gone out.
 */
export async function dispatch(
  deps: Deps,
  db: Db,
  events: readonly EventKey[],
  budget: Budget,
): Promise<void> {
  const { fresh, others } = await readFresh(deps, db, events)
  const claim = others.length > 0 ? await claimEvents(deps, db, others) : null
  await deliver(deps, db, fresh, budget)
  if (claim) await deliverClaimed(deps, db, claim, budget)
}

/**
 * The same under a lease, for events that somebody may have worked on before. Safe to run twice or at once for the
 * same events. Throws only before the first request has gone out.
 */
export async function dispatchAgain(
  deps: Deps,
  db: Db,
  events: readonly EventKey[],
  budget: Budget,
): Promise<void> {
  await deliverClaimed(deps, db, await claimEvents(deps, db, events), budget)
}

/** Dispatches the oldest events that nobody holds. True when there may be more of them. */
export async function catchUp(deps: Deps, db: Db, budget: Budget): Promise<boolean> {
  const rows = await db.read(sql`
    SELECT v.application_id, v.id FROM events v INDEXED BY events_undispatched
    WHERE ${isLeftBehind(deps, deps.clock.now())} ORDER BY v.id LIMIT ${literal(CATCH_UP_EVENTS)}`)
  if (rows.length > 0) await dispatchAgain(deps, db, rows.map(readKey), budget)
  return rows.length === CATCH_UP_EVENTS
}

/**
 * The condition that nobody works on the event `v` any more, pings aside: its lease has run out; or it has no lease and
 * its first minute is over, or no job could be sent for it.
 */
export function isLeftBehind(deps: Deps, now: number): SQL {
  return sql`v.dispatched_at IS NULL AND v.ping_id IS NULL AND v.claims < ${MAX_CLAIMS} AND (
    v.leased_until <= ${now} OR (v.leased_until IS NULL AND v.id < ${idAt("event", now - leaseMs(deps))}))`
}

/** The column of the event `v` that says whether its application has a rate. */
const isRated = sql`EXISTS (
  SELECT 1 FROM applications a WHERE a.id = v.application_id AND a.throttle_rate IS NOT NULL) AS is_rated`

/** What is owed of some events, and by what right: under a lease, or without one in their first minute. */
interface Reading {
  token: string | null
  at: number
  events: EventKey[]
  deliveries: ClaimedDelivery[]
  /** Whether dispatch is behind: then nobody waits long for anybody. */
  isBehind: boolean
}

/** Reads what is owed of events in their first minute; the others that are undispatched are to be claimed. */
async function readFresh(
  deps: Deps,
  db: Db,
  keys: readonly EventKey[],
): Promise<{ fresh: Reading; others: EventKey[] }> {
  const at = deps.clock.now()
  const isFresh = sql`v.lease_token IS NULL AND v.leased_until IS NULL AND v.claims = 0
    AND v.fanout_cursor IS NULL AND v.created_at > ${at - lastStart(deps, 0)}`
  const named = sql`json_each(${toPairs(keys)}) j
    CROSS JOIN events v ON v.application_id = j.value->>0 AND v.id = j.value->>1
      AND v.dispatched_at IS NULL AND v.ping_id IS NULL`
  const { events, pairs } = await db.batch({
    events: sql`SELECT ${eventColumns}, ${isRated}, v.created_at, ${isFresh} AS fresh FROM ${named}`,
    pairs: sql`
      SELECT v.id AS event_id, ${isInterested} AS interested, 0 AS recorded, ${endpointColumns(at)}
      FROM ${named} AND ${isFresh} CROSS JOIN endpoints e ON e.id IN (SELECT id FROM (${candidates(DIRECT_LIMIT + 1)}))`,
  })
  const fresh = events.filter((event) => event.fresh === 1)
  const { small, large, deliveries } = sortOut(fresh, pairs, (event) =>
    lastStart(deps, event.created_at as number),
  )
  const others = events.filter((event) => event.fresh !== 1).map(readKey)
  const isBehind = areOld(fresh, at)
  return { fresh: { token: null, at, events: small, deliveries, isBehind }, others: [...others, ...large] }
}

interface Claim extends Reading {
  token: string
  /** More candidates than are attempted at once: fanned out in steps. */
  large: EventKey[]
  /** Events left out because they are to be handled alone, the least claimed first. */
  suspects: EventKey[]
}

/** Takes a lease on the events and reads what is owed, payloads once per event. One batch. */
async function claimEvents(deps: Deps, db: Db, keys: readonly EventKey[], alone = false): Promise<Claim> {
  const at = deps.clock.now()
  const token = crypto.randomUUID()
  const most = alone ? MAX_CLAIMS : SUSPECT_CLAIMS
  const claimable = sql`v.dispatched_at IS NULL AND v.ping_id IS NULL
    AND v.claims < ${MAX_CLAIMS} AND (v.leased_until IS NULL OR v.leased_until <= ${at})`
  const named = sql`json_each(${toPairs(keys)}) j
    CROSS JOIN events v ON v.application_id = j.value->>0 AND v.id = j.value->>1`
  const { suspects, events, pairs } = await db.batch({
    suspects: sql`
      SELECT v.application_id, v.id FROM ${named} WHERE ${claimable} AND v.claims >= ${most} ORDER BY v.claims`,
    // Whoever had the first minute has claimed it without a word: that counts as one.
    claimed: sql`
      UPDATE events AS v SET lease_token = ${token}, leased_until = ${at + leaseMs(deps)},
        claims = max(v.claims, 1) + 1
      WHERE (v.application_id, v.id) IN (${keysIn(keys)}) AND ${claimable} AND v.claims < ${most}`,
    events: sql`
      SELECT ${eventColumns}, ${isRated}, v.created_at, v.fanout_cursor FROM ${named} WHERE v.lease_token = ${token}`,
    pairs: sql`
      SELECT v.id AS event_id, ${isInterested} AS interested,
        EXISTS (SELECT 1 FROM deliveries d WHERE d.event_id = v.id AND d.endpoint_id = e.id) AS recorded,
        ${endpointColumns(at)}
      FROM ${named} CROSS JOIN endpoints e ON e.id IN (SELECT id FROM (${candidates(DIRECT_LIMIT + 1)}))
      WHERE v.lease_token = ${token} AND v.fanout_cursor IS NULL`,
  })
  const { small, large, deliveries } = sortOut(events, pairs, () => lastStart(deps, at))
  return {
    token,
    at,
    events: small,
    large,
    deliveries,
    isBehind: areOld(events, at),
    suspects: suspects.map(readKey),
  }
}

function areOld(events: readonly Row[], at: number): boolean {
  return events.some((event) => (event.created_at as number) < at - BEHIND_MS)
}

/**
 * The small events with the pairs that are owed, and the large ones. The 26th candidate is read only to be recognised as
 * too many, so whoever is not interested, or has its delivery already, is counted before it is left out.
 */
function sortOut(events: readonly Row[], pairs: readonly Row[], startBy: (event: Row) => number) {
  const pairsOf = Map.groupBy(pairs, (pair) => pair.event_id)
  const isLarge = (event: Row) =>
    (event.fanout_cursor ?? null) !== null || (pairsOf.get(event.id)?.length ?? 0) > DIRECT_LIMIT
  const small = events.filter((event) => !isLarge(event))
  const deliveries = small.flatMap((event) =>
    (pairsOf.get(event.id) ?? [])
      .filter((pair) => pair.interested === 1 && pair.recorded === 0)
      .map(
        (pair): ClaimedDelivery => ({
          event: readEvent(event),
          endpoint: readEndpoint(pair),
          attempts: 0,
          claims: 0,
          isRated: event.is_rated === 1,
          startBy: startBy(event),
        }),
      ),
  )
  return { small: small.map(readKey), large: events.filter(isLarge).map(readKey), deliveries }
}

/** Delivers what is claimed, fans out what is large, and then, one by one, what may have killed its consumer before. */
async function deliverClaimed(deps: Deps, db: Db, claim: Claim, budget: Budget): Promise<void> {
  await deliver(deps, db, claim, budget)
  try {
    await fanOut(deps, db, claim, budget)
    // These get nobody into trouble but themselves: everything else is recorded by now.
    for (const event of claim.suspects) {
      if (!budget.affords(STATEMENTS_PER_CLAIM)) return
      const alone = await claimEvents(deps, db, [event], true)
      await deliver(deps, db, alone, budget)
      await fanOut(deps, db, alone, budget)
    }
  } catch (error) {
    // Requests have gone out: the jobs must not come back. What is left is found when its lease has run out.
    deps.observe({ unit: "fault", during: "dispatch", error: String(error) })
  }
}

/** Attempts what is owed as far as the budget and the batch's time go, records it, and lets the stragglers follow. */
async function deliver(deps: Deps, db: Db, reading: Reading, budget: Budget): Promise<void> {
  const { token, at, events, deliveries, isBehind } = reading
  if (events.length === 0) return
  const { direct, later } = plan(deliveries, budget, at)
  const pooled = await attemptAll(deps, budget, direct, { waitsForUnproven: false, isBehind }, (one) =>
    attempt(deps, one.event, one.endpoint, "scheduled"),
  )
  const { made, open } = pooled
  const unstarted = [...direct.filter((one) => !made.has(one) && !open.has(one)), ...later]
  const putOff = unstarted.map(
    (one): DeliveryResult => ({ delivery: one, attempt: null, ended: prepare(one) }),
  )
  const results = [...resultsOf(pooled), ...putOff]
  const next = await record(deps, db, { held: { by: "event", token }, results, dispatched: events })
  await follow(deps, budget, open, async (ended) => {
    await scheduleDrain(deps, db, await record(deps, db, { held: { by: "delivery" }, results: ended }))
  })
  await scheduleDrain(deps, db, next)
  deps.observe({
    unit: "dispatch",
    eventIds: events.map(({ eventId }) => eventId),
    attempts: observed(made.values()),
    putOff: putOff.length,
    open: open.size,
    claimed: token !== null,
    durationMs: deps.clock.now() - at,
  })
}

/** Who is attempted at once: healthy endpoints without a rate limit, as far as the budget goes; the proven first. */
function plan(
  deliveries: readonly ClaimedDelivery[],
  budget: Budget,
  now: number,
): { direct: ClaimedDelivery[]; later: ClaimedDelivery[] } {
  const direct: ClaimedDelivery[] = []
  const later: ClaimedDelivery[] = []
  for (const one of deliveries.toSorted((a, b) => turnOf(a.endpoint.health) - turnOf(b.endpoint.health))) {
    const { health, rate } = one.endpoint
    const ready = prepare(one) === null && !isImpaired(health, now) && rate === null && !one.isRated
    if (ready && budget.take()) direct.push(one)
    else later.push(one)
  }
  return { direct, later }
}
