import { sql } from "drizzle-orm"

import type { Deps } from "../../platform/deps.ts"
import { getEndpoint } from "../endpoints/endpoint.ts"
import { getEvent } from "../events/event.ts"
import { EngineError } from "../kit/errors.ts"
import { refreshDueAt } from "../pipeline/due.ts"

/**
 * Ends a delivery that waits for its first attempt or for a retry: no further one is made by itself. An
 * attempt under way is not called back; it is kept, and changes nothing any more. One that is canceled by
 * hand already stays so. Refuses with `not_found`, and with `conflict` where nothing waits.
 */
export async function cancelDelivery(
  deps: Deps,
  input: { applicationId: string; event: string; endpoint: string },
): Promise<void> {
  const { applicationId } = input
  const event = await getEvent(deps, applicationId, input.event)
  const endpoint = await getEndpoint(deps, applicationId, input.endpoint)
  const now = deps.clock.now()
  const own = sql`event_id = ${event.id} AND endpoint_id = ${endpoint.id}`
  const { found } = await deps.shardOf(applicationId).batch({
    // A ping's request has no next attempt: it is made once, for somebody who waits.
    canceled: sql`
      UPDATE deliveries SET status = 'canceled', reason = 'by-hand', next_attempt_at = NULL, ended_at = ${now}
      WHERE ${own} AND status = 'pending' AND next_attempt_at IS NOT NULL`,
    derived: refreshDueAt(sql`SELECT ${endpoint.id}`),
    found: sql`SELECT 1 FROM deliveries WHERE ${own} AND reason = 'by-hand'`,
  })
  if (found.length === 0)
    throw new EngineError("conflict", "Nothing waits to be sent: there is nothing to cancel")
}
