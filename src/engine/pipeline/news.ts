import type { SQL } from "drizzle-orm"

import type { Db } from "../../db/client.ts"
import { OPERATIONS } from "../applications/built-in.ts"
import { type AttemptNews, tellAttempts, tellDisabled } from "../events/operational.ts"
import type { HealthChange } from "./endpoint-health.ts"
import type { DeliveryState, Handled } from "./state.ts"

/** With this many failed attempts a delivery is told of as failing; delivered later, as recovered. */
export const FAILING_ATTEMPTS = 4

/** The statements that tell of what happened, behind those that record it at `now`; none if all is as usual. */
export function tellNews(
  db: Db,
  handled: readonly Handled[],
  states: ReadonlyMap<Handled, DeliveryState>,
  changes: readonly HealthChange[],
  now: number,
): SQL[] {
  const news = handled.flatMap((one) => newsOf(one, states.get(one)))
  const disabled = changes.flatMap(({ id, disable }) =>
    disable === null ? [] : { endpointId: id, reason: disable },
  )
  return [
    ...(news.length > 0 ? [tellAttempts(db, news, now)] : []),
    ...(disabled.length > 0 ? [tellDisabled(db, disabled, now)] : []),
  ]
}

/** What is worth telling of one delivery: it was failing, has failed for good, or was delivered after all. */
function newsOf({ owed, attempt }: Handled, state: DeliveryState | undefined): AttemptNews[] {
  if (!attempt || !state || attempt.trigger === "ping" || owed.event.applicationId === OPERATIONS) return []
  const type =
    state.status === "failed"
      ? "message.attempt.exhausted"
      : state.status === "pending" && state.attempts === FAILING_ATTEMPTS
        ? "message.attempt.failing"
        : state.status === "delivered" && owed.attempts >= FAILING_ATTEMPTS
          ? "message.attempt.recovered"
          : null
  if (type === null) return []
  const { id: eventId, applicationId } = owed.event
  return [{ type, applicationId, eventId, endpointId: owed.endpoint.id, ...state, attempt }]
}
