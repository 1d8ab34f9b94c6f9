import { sql } from "drizzle-orm"
import type { Db } from "../../db/client.ts"
import { literal } from "../../db/literal.ts"
import type { Deps } from "../../platform/deps.ts"
import { type Budget, lastStart } from "./budget.ts"
import { dueAt, newPlace } from "./due.ts"
import { candidates, FANOUT_STEP, isInterested } from "./interest.ts"
import { type EventKey, enqueue, keysIn } from "./jobs.ts"
import { callDrain } from "./schedule.ts"

const STATEMENTS_PER_STEP = 3

/**
 * Writes the deliveries of large events as due, a bounded number of candidates a step and one step of each:
 * what is left is given back and gets a job of its own, behind those of everybody else's events.
 */
export async function fanOut(
  deps: Deps,
  db: Db,
  { token, at, large }: { token: string; at: number; large: readonly EventKey[] },
  budget: Budget,
): Promise<void> {
  if (large.length === 0) return
  const startedAt = deps.clock.now()
  const unfinished: EventKey[] = []
  let steps = 0
  let deliveries = 0
  for (const event of large) {
    const isTime = deps.clock.now() <= lastStart(deps, at) && budget.affords(STATEMENTS_PER_STEP)
    const step = isTime ? await fanOutStep(deps, db, event, token) : null
    if (!step?.finished) unfinished.push(event)
    if (!step) continue
    deliveries += step.written
    steps++
  }
  if (unfinished.length > 0) await giveBack(deps, db, unfinished, token)
  if (deliveries > 0) await callDrain(deps, db)
  deps.observe({
    unit: "fan-out",
    eventIds: large.map(({ eventId }) => eventId),
    steps,
    deliveries,
    unfinished: unfinished.length,
    durationMs: deps.clock.now() - startedAt,
  })
}

/**
 * One step; its cursor is in the same batch, and the last one marks the event dispatched. Finished when there
 * is nothing more to do here, be it that the lease was lost.
 */
async function fanOutStep(
  deps: Deps,
  db: Db,
  event: EventKey,
  token: string,
): Promise<{ finished: boolean; written: number }> {
  const now = deps.clock.now()
  const { applicationId, eventId } = event
  const held = sql`v.application_id = ${applicationId} AND v.id = ${eventId} AND v.lease_token = ${token}`
  const step = sql`SELECT id FROM (${candidates(FANOUT_STEP)})`
  const { written, moved } = await db.batch({
    written: sql`
      INSERT INTO deliveries (event_id, endpoint_id, application_id, status, next_attempt_at, created_at, attempt_id)
      SELECT v.id, e.id, v.application_id, 'pending', ${now}, ${now}, ${newPlace(now)}
      FROM events v CROSS JOIN endpoints e ON e.id IN (${step})
      WHERE ${held} AND ${isInterested}
      ON CONFLICT DO NOTHING RETURNING endpoint_id`,
    due: sql`
      UPDATE endpoints SET due_at = ${dueAt()} WHERE id IN (
        SELECT d.endpoint_id FROM events v CROSS JOIN deliveries d ON d.event_id = v.id
        WHERE ${held} AND d.status = 'pending' AND d.endpoint_id IN (${step})
      )`,
    moved: sql`
      UPDATE events AS v SET
        dispatched_at = CASE WHEN (SELECT count(*) FROM (${step})) < ${literal(FANOUT_STEP)} THEN ${now} END,
        fanout_cursor = coalesce((SELECT max(id) FROM (${step})), fanout_cursor),
        claims = 0
      WHERE ${held} RETURNING dispatched_at`,
  })
  const state = moved.at(0)
  return { finished: state === undefined || state.dispatched_at !== null, written: written.length }
}

/** Free for anybody at once, so that the next job need not wait for the lease to run out. */
async function giveBack(deps: Deps, db: Db, events: readonly EventKey[], token: string): Promise<void> {
  await db.batch({
    given: sql`
      UPDATE events AS v SET lease_token = NULL, leased_until = 0, claims = 0
      WHERE (v.application_id, v.id) IN (${keysIn(events)}) AND v.lease_token = ${token}`,
  })
  for (const event of events) await enqueue(deps, db, { kind: "dispatch", ...event })
}
