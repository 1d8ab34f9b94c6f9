import { sql } from "drizzle-orm"

import type { Deps } from "../../platform/deps.ts"
import { getEndpoint } from "../endpoints/endpoint.ts"
import { getEvent } from "../events/event.ts"
import { EngineError } from "../kit/errors.ts"
import type { Remember } from "../kit/idempotency.ts"
import { leaseMs } from "../pipeline/budget.ts"
import { newPlace, refreshDueAt } from "../pipeline/due.ts"
import { enqueue } from "../pipeline/jobs.ts"
import { readyResends, wantsJob } from "../pipeline/resend-lane.ts"
import { requireSpace } from "../upkeep/space.ts"

/** What somebody wants to be attempted once more. */
export interface Resend {
  eventId: string
  endpointId: string
}

/**
 * Asks for one more attempt of an event to an endpoint, now, whether or not it was owed to it before. Once
 * this resolves the attempt is made, or a reason kept why not, whatever dies. Refuses with `not_found`, or
 * with `conflict` when the payload is gone or the endpoint is disabled.
 */
export async function resend(
  deps: Deps,
  input: { applicationId: string; event: string; endpoint: string; remember?: Remember<Resend> | undefined },
): Promise<Resend> {
  const { applicationId, remember } = input
  const event = await getEvent(deps, applicationId, input.event)
  const endpoint = await getEndpoint(deps, applicationId, input.endpoint)
  if (event.payload === null)
    throw new EngineError("conflict", "The payload is expunged or expired: there is nothing to send any more")
  if (endpoint.disabledAt !== null)
    throw new EngineError("conflict", "The endpoint is disabled: enable it before sending to it")
  await requireSpace(deps, applicationId)
  const asked = { eventId: event.id, endpointId: endpoint.id }
  const now = deps.clock.now()
  const isAsked = sql`EXISTS (
    SELECT 1 FROM deliveries WHERE event_id = ${event.id} AND endpoint_id = ${endpoint.id}
      AND resend_requested_at = ${now})`
  const db = deps.shardOf(applicationId)
  const { found, ready } = await db.batch({
    // A delivery that is not there yet is due as usual while its event is undispatched, once nobody
    // dispatches it: who claims the event passes over it. Later it has this attempt alone.
    asked: sql`
      INSERT INTO deliveries (event_id, endpoint_id, application_id, status, next_attempt_at, created_at,
        resend_requested_at, attempt_id)
      SELECT v.id, e.id, v.application_id, 'pending',
        CASE WHEN v.dispatched_at IS NULL THEN max(${now}, coalesce(v.leased_until, v.created_at + ${leaseMs(deps)})) END, ${now}, ${now},
        ${newPlace(now)}
      FROM events v JOIN endpoints e ON e.id = ${endpoint.id}
      WHERE v.application_id = ${applicationId} AND v.id = ${event.id} AND v.payload IS NOT NULL AND e.removed_at IS NULL AND e.disabled_at IS NULL
      ON CONFLICT (event_id, endpoint_id) DO UPDATE SET resend_requested_at = excluded.resend_requested_at`,
    derived: refreshDueAt(sql`SELECT ${endpoint.id}`),
    found: sql`SELECT ${isAsked} AS asked`,
    ready: readyResends(applicationId, now),
    remembered: remember ? await remember(asked, isAsked) : null,
  })
  if (found.at(0)?.asked !== 1) {
    throw new EngineError(
      "conflict",
      "The payload or the endpoint has gone meanwhile: there is nothing to send",
    )
  }
  if (wantsJob(ready)) await enqueue(deps, db, { kind: "resend", applicationId })
  return asked
}
