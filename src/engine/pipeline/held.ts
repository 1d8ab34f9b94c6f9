import { type SQL, sql } from "drizzle-orm"

/**
 * By what right an invocation makes results state: because it has leased the events (or, without a token,
 * because they are in their first minute and nobody has), or the endpoints, or the requests of a ping; or
 * because the delivery waits for that one request, which was open when its event was recorded as dispatched.
 */
export type Held =
  | { by: "event"; token: string | null }
  | { by: "delivery" }
  | { by: "endpoint"; token: string }
  | { by: "ping"; token: string }

/** The condition on the event `v` that it is still held. */
export function isEventHeld(token: string | null): SQL {
  return token === null
    ? sql`v.dispatched_at IS NULL AND v.lease_token IS NULL`
    : sql`v.lease_token = ${token}`
}
