import type { deliveries } from "../../db/schema/deliveries.ts"
import type { Deps } from "../../platform/deps.ts"
import type { Farewell } from "../rules/outcome.ts"
import { nextAttemptAt } from "../rules/retry-schedule.ts"
import { type Attempt, endOf } from "./attempt.ts"
import { openUntil } from "./budget.ts"
import type { ClaimedDelivery } from "./claim.ts"
import type { OpenRequest, Pooled } from "./pool.ts"
import type { Ended } from "./prepare.ts"

export type DeliveryStatus = (typeof deliveries.$inferSelect)["status"]
export type DeliveryReason = NonNullable<(typeof deliveries.$inferSelect)["reason"]>

/**
 * What happened to one delivery under a claim: an attempt; or one is still open; or it ended without one, for
 * a reason; or, with none of these, it was put off and is due at once.
 */
export interface DeliveryResult {
  delivery: ClaimedDelivery
  attempt: Attempt | null
  open?: OpenRequest | null
  ended?: Ended | null
}

/** The results of what a pool has started. */
export function resultsOf({ made, open }: Pooled): DeliveryResult[] {
  return [
    ...Array.from(made, ([delivery, attempt]): DeliveryResult => ({ delivery, attempt })),
    ...Array.from(open, ([delivery, open]): DeliveryResult => ({ delivery, attempt: null, open })),
  ]
}

export interface DeliveryState {
  status: DeliveryStatus
  reason: DeliveryReason | null
  attempts: number
  nextAttemptAt: number | null
}

/** Nobody wants the delivery any more, or it has failed. */
export function statusOf(reason: DeliveryReason): "canceled" | "failed" {
  return reason === "removed" || reason === "unsubscribed" || reason === "by-hand" ? "canceled" : "failed"
}

/** What a delivery ends with that is answered with a farewell. */
export function reasonOf(farewell: Farewell): "gone" | "disabled" {
  return farewell === "gone" ? "gone" : "disabled"
}

/** What a delivery becomes through what happened to it; `gone`: its endpoint has said farewell for good. */
export function stateAfter(
  deps: Deps,
  { delivery, attempt, open, ended }: DeliveryResult,
  gone: boolean,
): DeliveryState {
  const attempts = delivery.attempts + (attempt ? 1 : 0)
  const end = (status: DeliveryStatus, reason: DeliveryReason | null): DeliveryState => ({
    status,
    reason,
    attempts,
    nextAttemptAt: null,
  })
  if (ended) return end(statusOf(ended), ended)
  if (open) {
    // By then it is recorded, or nobody is left to record it.
    return { status: "pending", reason: null, attempts, nextAttemptAt: openUntil(deps, deps.clock.now()) }
  }
  if (!attempt) return { status: "pending", reason: null, attempts, nextAttemptAt: deps.clock.now() }
  if (attempt.outcome === "delivered") return end("delivered", null)
  if (attempt.outcome === "refused") return end("failed", "refused-target")
  if (attempt.trigger === "ping") return end("failed", "exhausted")
  if (attempt.farewell !== null && gone) return end("failed", reasonOf(attempt.farewell))
  if (attempt.outcome === "aborted") return end("failed", "aborted")
  const next = nextAttemptAt({
    schedule: deps.config.retryScheduleSeconds,
    attempts,
    now: endOf(attempt),
    random: deps.random(),
    retryAfterMs: attempt.retryAfterMs,
  })
  if (next === null) return end("failed", "exhausted")
  return { status: "pending", reason: null, attempts, nextAttemptAt: next }
}
