import { sql } from "drizzle-orm"

import type { Db, Row } from "../../db/client.ts"
import type { Deps } from "../../deps.ts"
import { isImpaired } from "../rules/endpoint-health.ts"
import { attempt } from "./attempt.ts"
import { type Budget, lastStart, leaseMs } from "./budget.ts"
import {
  endpointColumns,
  eventColumns,
  MAX_CLAIMS,
  type Owed,
  readEndpoint,
  readEvent,
  SUSPECT_CLAIMS,
} from "./claimed.ts"
import { scheduleDrain } from "./due.ts"
import { candidates, DIRECT_LIMIT, FANOUT_STEP, isInterested } from "./interest.ts"
import { enqueue } from "./jobs.ts"
import { attemptAll, fairShare } from "./lanes.ts"
import { record } from "./record.ts"
import type { Handled } from "./state.ts"

const FANOUT_STEPS_PER_INVOCATION = 20
const CATCH_UP_EVENTS = 25

/**
 * Turns events into deliveries: claims those that nobody holds, makes the first attempts at once as far as the
 * budget goes, leaves the rest to the retry lane, and records it all in one batch. Safe to run twice or at
 * once for the same ids. Throws only before the first request has gone out.
 */
export async function dispatch(
  deps: Deps,
  db: Db,
  eventIds: readonly string[],
  budget: Budget,
): Promise<void> {
  const suspects = await dispatchTogether(deps, db, eventIds, budget)
  // What may have killed its consumer before gets nobody into trouble but itself: one by one, the least
  // claimed first, after everything else is recorded.
  for (const id of suspects) await dispatchTogether(deps, db, [id], budget, true)
}

/** Dispatches the oldest events that nobody holds. True when there may be more of them. */
export async function catchUp(deps: Deps, db: Db, budget: Budget): Promise<boolean> {
  const now = deps.clock.now()
  const [rows = []] = await db.batch([
    sql`
      SELECT id FROM events
      WHERE dispatched_at IS NULL AND ping_id IS NULL AND (leased_until IS NULL OR leased_until <= ${now})
        AND claims < ${MAX_CLAIMS}
      ORDER BY id LIMIT ${CATCH_UP_EVENTS}`,
  ])
  if (rows.length > 0)
    await dispatch(
      deps,
      db,
      rows.map((row) => row.id as string),
      budget,
    )
  return rows.length === CATCH_UP_EVENTS
}

async function dispatchTogether(
  deps: Deps,
  db: Db,
  eventIds: readonly string[],
  budget: Budget,
  alone = false,
): Promise<string[]> {
  const claim = await claimEvents(deps, db, eventIds, alone)
  if (claim.events.length > 0) {
    const { direct, later } = plan(claim.owed, budget, claim.at)
    const attempts = await attemptAll(
      deps,
      direct,
      { startBy: lastStart(deps, claim.at), perEndpoint: fairShare(direct) },
      (owed) => attempt(deps, owed.event, owed.endpoint, "scheduled"),
    )
    const handled = [...direct, ...later].map((owed): Handled => {
      if (owed.event.payload === null) return { owed, attempt: null, ended: "expired" }
      return { owed, attempt: attempts.get(owed) ?? null }
    })
    const small = claim.events.filter((event) => !event.large)
    const next = await record(deps, db, {
      token: claim.token,
      handled,
      dispatched: small.map((event) => event.id),
    })
    const large = claim.events.filter((event) => event.large)
    for (const event of large) await fanOut(deps, db, event, claim)
    await scheduleDrain(deps, large.length > 0 ? deps.clock.now() : next)
    deps.log({
      unit: "dispatch",
      eventIds: claim.events.map((event) => event.id),
      attempts: attempts.size,
      putOff: handled.filter((one) => one.attempt === null).length,
      fanOuts: large.length,
      suspects: claim.suspects.length,
      durationMs: deps.clock.now() - claim.at,
    })
  }
  return claim.suspects
}

interface ClaimedEvent {
  id: string
  applicationId: string
  /** More candidates than are attempted at once: fanned out in steps. */
  large: boolean
}

interface Claim {
  token: string
  at: number
  events: ClaimedEvent[]
  owed: Owed[]
  /** Events left out because they are to be handled alone, the least claimed first. */
  suspects: string[]
}

/** Takes a lease on the events and reads what is owed, payloads once per event. One batch. */
async function claimEvents(deps: Deps, db: Db, eventIds: readonly string[], alone: boolean): Promise<Claim> {
  const at = deps.clock.now()
  const token = crypto.randomUUID()
  const ids = JSON.stringify(eventIds)
  const claimable = sql`
    id IN (SELECT value FROM json_each(${ids})) AND dispatched_at IS NULL AND ping_id IS NULL
    AND claims < ${MAX_CLAIMS} AND (leased_until IS NULL OR leased_until <= ${at})`
  const [suspects = [], , events = [], pairs = []] = await db.batch([
    sql`SELECT id FROM events WHERE ${claimable} AND claims >= ${alone ? MAX_CLAIMS : SUSPECT_CLAIMS} ORDER BY claims`,
    sql`
      UPDATE events SET lease_token = ${token}, leased_until = ${at + leaseMs(deps)}, claims = claims + 1
      WHERE ${claimable} AND claims < ${alone ? MAX_CLAIMS : SUSPECT_CLAIMS}`,
    sql`
      SELECT ${eventColumns},
        v.fanout_cursor IS NOT NULL OR (SELECT count(*) FROM (${candidates(DIRECT_LIMIT + 1)})) > ${DIRECT_LIMIT} AS large
      FROM json_each(${ids}) ids JOIN events v ON v.id = ids.value WHERE v.lease_token = ${token}`,
    // The 26th candidate is read only to be recognised as too many; deliveries recorded before are left out.
    sql`
      SELECT v.id AS event_id, ${endpointColumns(at)}
      FROM json_each(${ids}) ids JOIN events v ON v.id = ids.value
      JOIN endpoints e ON e.id IN (SELECT id FROM (${candidates(DIRECT_LIMIT + 1)}))
      WHERE v.lease_token = ${token} AND v.fanout_cursor IS NULL AND ${isInterested}
        AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.event_id = v.id AND d.endpoint_id = e.id)`,
  ])
  const byId = new Map(events.map((row) => [row.id as string, row]))
  return {
    token,
    at,
    events: events.map((row) => ({
      id: row.id as string,
      applicationId: row.application_id as string,
      large: row.large === 1,
    })),
    owed: pairs.flatMap((pair) => {
      const event = byId.get(pair.event_id as string)
      return event && event.large !== 1 ? [readOwed(event, pair)] : []
    }),
    suspects: suspects.map((row) => row.id as string),
  }
}

function readOwed(event: Row, pair: Row): Owed {
  return { event: readEvent(event), endpoint: readEndpoint(pair), attempts: 0, claims: 0 }
}

/** Who is attempted at once: healthy endpoints without a rate limit, as far as the budget goes. */
function plan(owed: readonly Owed[], budget: Budget, now: number): { direct: Owed[]; later: Owed[] } {
  const direct: Owed[] = []
  const later: Owed[] = []
  for (const one of owed) {
    const { health, throttleRate } = one.endpoint
    const ready = one.event.payload !== null && !isImpaired(health, now) && throttleRate === null
    if (ready && budget.take()) direct.push(one)
    else later.push(one)
  }
  return { direct, later }
}

/**
 * Writes an event's deliveries as due, a bounded number of candidates a step; the step's cursor is in the same
 * batch, and the last step marks the event dispatched. What one invocation does not finish, another job does.
 */
async function fanOut(deps: Deps, db: Db, event: ClaimedEvent, claim: Claim): Promise<void> {
  const startBy = lastStart(deps, claim.at)
  for (let step = 1; step <= FANOUT_STEPS_PER_INVOCATION && deps.clock.now() <= startBy; step++) {
    const now = deps.clock.now()
    const held = sql`v.id = ${event.id} AND v.lease_token = ${claim.token}`
    const [written = [], , moved = []] = await db.batch([
      sql`
        INSERT INTO deliveries (event_id, endpoint_id, application_id, status, next_attempt_at, created_at)
        SELECT v.id, e.id, v.application_id, 'pending', ${now}, ${now}
        FROM events v JOIN endpoints e ON e.id IN (SELECT id FROM (${candidates(FANOUT_STEP)}))
        WHERE ${held} AND ${isInterested}
        ON CONFLICT DO NOTHING RETURNING endpoint_id`,
      sql`
        UPDATE endpoints SET due_at = min(
          coalesce(due_at, ${Number.MAX_SAFE_INTEGER}),
          max(${now}, coalesce(paused_until, 0), coalesce(leased_until, 0))
        ) WHERE id IN (
          SELECT d.endpoint_id FROM events v JOIN deliveries d ON d.event_id = v.id
          WHERE ${held} AND d.status = 'pending' AND d.endpoint_id IN (SELECT id FROM (${candidates(FANOUT_STEP)}))
        )`,
      sql`
        UPDATE events AS v SET
          dispatched_at = CASE WHEN (SELECT count(*) FROM (${candidates(FANOUT_STEP)})) < ${FANOUT_STEP} THEN ${now} END,
          fanout_cursor = coalesce((SELECT max(id) FROM (${candidates(FANOUT_STEP)})), fanout_cursor),
          claims = 0
        WHERE ${held} RETURNING dispatched_at`,
    ])
    deps.log({
      unit: "dispatch",
      eventIds: [event.id],
      step,
      fannedOut: written.length,
      durationMs: deps.clock.now() - now,
    })
    const state = moved.at(0)
    if (state === undefined || state.dispatched_at !== null) return
  }
  // Given back, so that the next job need not wait for the lease to run out.
  await db.batch([
    sql`UPDATE events SET lease_token = NULL, leased_until = NULL, claims = 0
        WHERE id = ${event.id} AND lease_token = ${claim.token}`,
  ])
  await enqueue(deps, { kind: "dispatch", applicationId: event.applicationId, eventId: event.id })
}
