import { type SQL, sql } from "drizzle-orm"
import type { Db } from "../../db/client.ts"
import { idAt } from "../../db/ids.ts"
import { literal } from "../../db/literal.ts"
import type { Deps } from "../../platform/deps.ts"
import { isImpaired, turnOf } from "../rules/endpoint-health.ts"
import { attempt, observed } from "./attempt.ts"
import { type Budget, leaseMs } from "./budget.ts"
import { type ClaimedDelivery, MAX_CLAIMS } from "./claim.ts"
import { type Claim, claimAlone, claimEvents, type Reading, readFresh } from "./claim-events.ts"
import { fanOut } from "./fan-out.ts"
import { type EventKey, readKey } from "./jobs.ts"
import { attemptAll } from "./pool.ts"
import { prepare } from "./prepare.ts"
import { record } from "./record.ts"
import { scheduleDrain } from "./schedule.ts"
import { type DeliveryResult, resultsOf } from "./state.ts"
import { follow } from "./stragglers.ts"

/** Events that one pass of catching up takes. */
export const CATCH_UP_EVENTS = 25
/** What claiming an event and recording what became of it asks of D1. */
const STATEMENTS_PER_CLAIM = 12

/**
 * Turns events into deliveries: makes the first attempts at once as far as the budget goes, leaves the rest
 * to the retry lane, and records it all in one batch. For jobs that come for the first time: an event's first
 * minute belongs to its own job, so what is owed is only read. Two at once may both send; the one that
 * records second keeps its results as attempts. What is not in its first minute is claimed. Throws only
 * before the first request has gone out.
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
 * The same under a lease, for events that somebody may have worked on before. Safe to run twice or at once
 * for the same events. Throws only before the first request has gone out.
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
 * The condition that nobody works on the event `v` any more, pings aside: its lease has run out; or it has no
 * lease and its first minute is over, or no job could be sent for it.
 */
export function isLeftBehind(deps: Deps, now: number): SQL {
  return sql`v.dispatched_at IS NULL AND v.ping_id IS NULL AND v.claims < ${MAX_CLAIMS} AND (
    v.leased_until <= ${now} OR (v.leased_until IS NULL AND v.id < ${idAt("event", now - leaseMs(deps))}))`
}

/**
 * Delivers what is claimed, fans out what is large, and then, one by one, what may have
 * killed its consumer before.
 */
async function deliverClaimed(deps: Deps, db: Db, claim: Claim, budget: Budget): Promise<void> {
  await deliver(deps, db, claim, budget)
  try {
    await fanOut(deps, db, claim, budget)
    // These get nobody into trouble but themselves: everything else is recorded by now.
    for (const event of claim.suspects) {
      if (!budget.affords(STATEMENTS_PER_CLAIM)) return
      const alone = await claimAlone(deps, db, event)
      await deliver(deps, db, alone, budget)
      await fanOut(deps, db, alone, budget)
    }
  } catch (error) {
    // Requests have gone out: the jobs must not come back. What is left is found when its lease has run out.
    deps.observe({ unit: "fault", during: "dispatch", error: String(error) })
  }
}

/**
 * Attempts what is owed as far as the budget and the batch's time go, records it, and lets
 * the stragglers follow.
 */
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

/**
 * Who is attempted at once: healthy endpoints without a rate limit, as far as the budget
 * goes; the proven first.
 */
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
