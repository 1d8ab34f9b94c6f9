import type { Deps } from "../../platform/deps.ts"
import { attempt } from "./attempt.ts"
import type { Budget } from "./budget.ts"
import type { ClaimedDelivery } from "./claim.ts"
import { attemptAll, type Pooled } from "./pool.ts"

/**
 * Attempts what is due in the retry lane. Unlike dispatch it waits for endpoints that have never taken a delivery, too:
 * many of them can be due at once.
 */
export function attemptDue(
  deps: Deps,
  budget: Budget,
  deliveries: readonly ClaimedDelivery[],
): Promise<Pooled> {
  return attemptAll(deps, budget, deliveries, { waitsForUnproven: true }, ({ event, endpoint }) =>
    attempt(deps, event, endpoint, "scheduled"),
  )
}
