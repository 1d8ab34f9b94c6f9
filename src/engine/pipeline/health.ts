import { type SQL, sql } from "drizzle-orm"

import type { Db } from "../../db/client.ts"
import type { Deps } from "../../deps.ts"
import { afterAttempts, forgiveAfterMs, hasGone } from "../rules/endpoint-health.ts"
import { type Attempt, endOf } from "./attempt.ts"
import type { ClaimedEndpoint } from "./claimed.ts"
import type { Handled } from "./state.ts"

/** How far back an endpoint's success counts when it answers 410: in deliveries. */
const LATEST_DELIVERIES = 1000

export interface HealthChange {
  id: string
  enabledAt: number
  /** Events whose lease shows that the claim still holds, where the endpoint itself was not leased. */
  eventIds: string[]
  delivered: number
  failingSince: number | null
  /** `failing_since` as the claim read it: what a verdict of failing for too long rests on. */
  basedOn: number | null
  /** Whether a verdict of having gone rests on an earlier 410. */
  saidGoneBefore: number
  slow: number
  pausedUntil: number | null
  goneAt: number | null
  disable: "gone" | "failing" | null
}

interface Attempted {
  endpoint: ClaimedEndpoint
  attempts: Attempt[]
}

/** What was attempted, by endpoint. Pings and our own faults say nothing about an endpoint's health. */
function byEndpoint(handled: readonly Handled[]): Attempted[] {
  const found = new Map<string, Attempted>()
  for (const { owed, attempt } of handled) {
    if (!attempt || attempt.trigger === "ping" || attempt.error === "internal") continue
    const entry = found.get(owed.endpoint.id) ?? { endpoint: owed.endpoint, attempts: [] }
    entry.attempts.push(attempt)
    found.set(owed.endpoint.id, entry)
  }
  return [...found.values()]
}

/** The endpoints that have gone for good, as the attempts say. Asks D1 only where one has answered 410. */
export async function goneEndpoints(db: Db, handled: readonly Handled[]): Promise<ReadonlySet<string>> {
  const suspects = byEndpoint(handled).filter(({ attempts }) =>
    attempts.some(({ outcome }) => outcome === "gone"),
  )
  if (suspects.length === 0) return new Set()
  const answering = await whoAnswers(
    db,
    suspects.map(({ endpoint }) => endpoint.id),
  )
  const gone = suspects.filter(({ endpoint, attempts }) =>
    hasGone(endpoint.health, attempts, answering.has(endpoint.id)),
  )
  return new Set(gone.map(({ endpoint }) => endpoint.id))
}

/** Which of the endpoints have taken one of their latest deliveries. */
export async function whoAnswers(db: Db, endpointIds: readonly string[]): Promise<ReadonlySet<string>> {
  const [rows = []] = await db.batch([
    sql`
      SELECT i.value AS id FROM json_each(${JSON.stringify(endpointIds)}) i WHERE EXISTS (
        SELECT 1 FROM (
          SELECT d.status FROM deliveries d WHERE d.endpoint_id = i.value
          ORDER BY d.event_id DESC LIMIT ${sql.raw(String(LATEST_DELIVERIES))}
        ) WHERE status = 'delivered'
      )`,
  ])
  return new Set(rows.map((row) => row.id as string))
}

/** The endpoints whose health the attempts changed; `gone` names those of them that have gone for good. */
export function healthChanges(
  deps: Deps,
  handled: readonly Handled[],
  gone: ReadonlySet<string>,
  now: number,
): HealthChange[] {
  return byEndpoint(handled).flatMap(({ endpoint, attempts }) => {
    const before = endpoint.health
    const { disableAfterMs, retryScheduleSeconds } = deps.config
    const forgiven = forgiveAfterMs(disableAfterMs, retryScheduleSeconds)
    const options = { disableAfterMs, forgiveAfterMs: forgiven, now, gone: gone.has(endpoint.id) }
    const { health, disable } = afterAttempts(before, attempts, options)
    const pausedUntil = latest(health.pausedUntil, throttledUntil(endpoint, attempts))
    const same =
      disable === null &&
      health.failingSince === before.failingSince &&
      health.slow === before.slow &&
      health.goneAt === before.goneAt &&
      pausedUntil === before.pausedUntil
    if (same) return []
    return {
      id: endpoint.id,
      enabledAt: endpoint.enabledAt,
      eventIds: attempts.map(({ eventId }) => eventId),
      delivered: Number(attempts.some(({ outcome }) => outcome === "delivered")),
      failingSince: health.failingSince,
      basedOn: before.failingSince,
      saidGoneBefore: Number(before.goneAt !== null),
      slow: Number(health.slow),
      pausedUntil,
      goneAt: health.goneAt,
      disable,
    }
  })
}

/** Until when the attempts made use up the endpoint's rate (per second); null without one. */
function throttledUntil(endpoint: ClaimedEndpoint, attempts: readonly Attempt[]): number | null {
  if (endpoint.throttleRate === null) return null
  return Math.max(...attempts.map(endOf)) + Math.ceil((attempts.length * 1000) / endpoint.throttleRate)
}

function latest(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b
  return Math.max(a, b)
}

/**
 * Merges the changes into what the rows are by now, since invocations work on one endpoint at the same time: a
 * success ends the failing, a failure keeps its earliest time unless that is forgiven, the longer pause wins. Only under the claim, and
 * not over an enabling that came between.
 */
export function updateHealth(rows: string, token: string, now: number): SQL {
  const disables = sql`(
    (h.value->>'disable' = 'gone' AND (gone_at IS NOT NULL OR NOT h.value->>'saidGoneBefore'))
    OR (h.value->>'disable' = 'failing' AND failing_since IS h.value->>'basedOn'))`
  return sql`
    UPDATE endpoints SET
      failing_since = CASE WHEN h.value->>'delivered' THEN NULL
        WHEN failing_since IS h.value->>'basedOn' THEN h.value->>'failingSince'
        ELSE coalesce(failing_since, h.value->>'failingSince') END,
      paused_until = CASE WHEN h.value->>'delivered' THEN h.value->>'pausedUntil'
        ELSE nullif(max(coalesce(paused_until, 0), coalesce(h.value->>'pausedUntil', 0)), 0) END,
      gone_at = CASE WHEN h.value->>'delivered' THEN h.value->>'goneAt'
        ELSE coalesce(gone_at, h.value->>'goneAt') END,
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
