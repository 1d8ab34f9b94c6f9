import type { SQL } from "drizzle-orm"

import type { Db } from "../../db/client.ts"
import type { Deps } from "../../platform/deps.ts"
import { OPERATIONS } from "../applications/built-in.ts"
import { deliveryEvents, disabledEvents, type RecordedDelivery } from "../events/operational.ts"
import type { HealthChange } from "./endpoint-health.ts"
import type { DeliveryResult, DeliveryState } from "./state.ts"

/** With this many failed attempts a delivery counts as failing; delivered later, as recovered. */
export const FAILING_ATTEMPTS = 4

/**
 * The operational events of some results, as statements for the batch that records it at `now`, behind what
 * they are about; none if all is as usual.
 */
export function operationalEvents(
  deps: Deps,
  db: Db,
  results: readonly DeliveryResult[],
  states: ReadonlyMap<DeliveryResult, DeliveryState>,
  changes: readonly HealthChange[],
  now: number,
): SQL[] {
  const deliveries = results.flatMap((one) => notable(one, states.get(one)))
  const disabled = changes.flatMap(({ id, disable }) =>
    disable === null ? [] : { endpointId: id, reason: disable },
  )
  return [
    ...(deliveries.length > 0 ? [deliveryEvents(deps, db, deliveries, now)] : []),
    ...(disabled.length > 0 ? [disabledEvents(deps, db, disabled, now)] : []),
  ]
}

/** A delivery that is failing, has failed for good, or was delivered after all. */
function notable(
  { delivery, attempt }: DeliveryResult,
  state: DeliveryState | undefined,
): RecordedDelivery[] {
  if (!attempt || !state || attempt.trigger === "ping" || delivery.event.applicationId === OPERATIONS)
    return []
  const kind =
    state.status === "failed"
      ? "delivery.exhausted"
      : state.status === "pending" && state.attempts === FAILING_ATTEMPTS
        ? "delivery.failing"
        : state.status === "delivered" && delivery.attempts >= FAILING_ATTEMPTS
          ? "delivery.recovered"
          : null
  if (kind === null) return []
  const { id: eventId, applicationId } = delivery.event
  return [{ kind, applicationId, eventId, endpointId: delivery.endpoint.id, ...state, attempt }]
}
