import { type SQL, sql } from "drizzle-orm"

import type { Deps } from "../../deps.ts"
import { afterAttempts } from "../rules/endpoint-health.ts"
import type { Attempt } from "./attempt.ts"
import type { ClaimedEndpoint } from "./claimed.ts"
import type { Handled } from "./state.ts"

export interface HealthChange {
  id: string
  enabledAt: number
  /** Events whose lease shows that the claim still holds, where the endpoint itself was not leased. */
  eventIds: string[]
  delivered: number
  failingSince: number | null
  /** `failing_since` as the claim read it: what a verdict of failing for too long rests on. */
  basedOn: number | null
  slow: number
  pausedUntil: number | null
  disable: "gone" | "failing" | null
}

/** The endpoints whose health the attempts changed. Pings and our own faults say nothing about it. */
export function healthChanges(deps: Deps, handled: readonly Handled[], now: number): HealthChange[] {
  const byEndpoint = new Map<string, { endpoint: ClaimedEndpoint; attempts: Attempt[] }>()
  for (const { owed, attempt } of handled) {
    if (!attempt || attempt.trigger === "ping" || attempt.error === "internal") continue
    const entry = byEndpoint.get(owed.endpoint.id) ?? { endpoint: owed.endpoint, attempts: [] }
    entry.attempts.push(attempt)
    byEndpoint.set(owed.endpoint.id, entry)
  }
  return [...byEndpoint.values()].flatMap(({ endpoint, attempts }) => {
    const before = endpoint.health
    const { disableAfterMs } = deps.config
    const { health, disable } = afterAttempts(before, attempts, { disableAfterMs, now })
    const pausedUntil = latest(health.pausedUntil, throttledUntil(endpoint, attempts, now))
    const same =
      disable === null &&
      health.failingSince === before.failingSince &&
      health.slow === before.slow &&
      pausedUntil === before.pausedUntil
    if (same) return []
    return {
      id: endpoint.id,
      enabledAt: endpoint.enabledAt,
      eventIds: attempts.map(({ eventId }) => eventId),
      delivered: Number(attempts.some(({ outcome }) => outcome === "delivered")),
      failingSince: health.failingSince,
      basedOn: before.failingSince,
      slow: Number(health.slow),
      pausedUntil,
      disable,
    }
  })
}

/** Until when the attempts made use up the endpoint's rate (per second); null without one. */
function throttledUntil(endpoint: ClaimedEndpoint, attempts: readonly Attempt[], now: number): number | null {
  if (endpoint.throttleRate === null) return null
  return now + Math.ceil((attempts.length * 1000) / endpoint.throttleRate)
}

function latest(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b
  return Math.max(a, b)
}

/**
 * Merges the changes into what the rows are by now, since invocations work on one endpoint at the same time: a
 * success ends the failing, a failure keeps its earliest time, the longer pause wins. Only under the claim, and
 * not over an enabling that came between.
 */
export function updateHealth(rows: string, token: string, now: number): SQL {
  const disables = sql`(
    h.value->>'disable' = 'gone'
    OR (h.value->>'disable' = 'failing' AND failing_since IS h.value->>'basedOn'))`
  return sql`
    UPDATE endpoints SET
      failing_since = CASE WHEN h.value->>'delivered' THEN NULL
        ELSE coalesce(failing_since, h.value->>'failingSince') END,
      paused_until = CASE WHEN h.value->>'delivered' THEN h.value->>'pausedUntil'
        ELSE nullif(max(coalesce(paused_until, 0), coalesce(h.value->>'pausedUntil', 0)), 0) END,
      slow = h.value->>'slow',
      disabled_at = coalesce(disabled_at, CASE WHEN ${disables} THEN ${now} END),
      disabled_reason = coalesce(disabled_reason, CASE WHEN ${disables} THEN h.value->>'disable' END)
    FROM json_each(${rows}) h
    WHERE endpoints.id = h.value->>'id' AND endpoints.enabled_at = h.value->>'enabledAt'
      AND (endpoints.lease_token = ${token} OR EXISTS (
        SELECT 1 FROM json_each(h.value, '$.eventIds') i JOIN events v ON v.id = i.value
        WHERE v.lease_token = ${token}
      ))`
}
