import type { AttemptedEvent } from "./attempt.ts"
import { MAX_CLAIMS } from "./claim.ts"

/** Why a delivery ends without an attempt. */
export type Ended = "internal" | "expired" | "removed" | "disabled" | "unsubscribed"

/**
 * What a claim has read that can stand against an attempt. What it leaves out, its own SQL has made sure of.
 */
export interface Claimed {
  /** Null: retention has deleted it. */
  event: Pick<AttemptedEvent, "payload"> | null
  /** Claims of this delivery alone that ended without a result. */
  claims?: number
  removedAt?: number | null
  disabledAt?: number | null
  subscribed?: boolean
}

/**
 * Stands between claim and attempt in dispatch, drain, ping and resend alike: answers why the delivery ends
 * here, null when its request is to be made. The first reason counts: what we have lost or given up
 * ourselves, then the endpoint's state, then its filter.
 */
export function prepare({
  event,
  claims = 0,
  removedAt,
  disabledAt,
  subscribed = true,
}: Claimed): Ended | null {
  if (event === null || claims >= MAX_CLAIMS) return "internal"
  if (event.payload === null) return "expired"
  if (removedAt != null) return "removed"
  if (disabledAt != null) return "disabled"
  return subscribed ? null : "unsubscribed"
}
