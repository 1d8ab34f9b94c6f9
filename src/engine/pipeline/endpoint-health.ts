import { type SQL, sql } from "drizzle-orm"
import type { Db } from "../../db/client.ts"
import { literal } from "../../db/literal.ts"
import type { Deps } from "../../platform/deps.ts"
import { afterAttempts, forgiveAfterMs, hasGone, whileOpen } from "../rules/endpoint-health.ts"
import type { Farewell } from "../rules/outcome.ts"
import type { Attempt } from "./attempt.ts"
import type { ClaimedEndpoint } from "./claim.ts"
import { dueAt } from "./due.ts"
import { type Held, isEventHeld } from "./held.ts"
import type { DeliveryResult } from "./state.ts"

/** How far back an endpoint's success counts when it answers 410: in deliveries. */
const LATEST_DELIVERIES = 1000

export interface HealthChange {
  id: string
  enabledAt: number
  /** What it was attempted for: application, event, and the id of the attempt. */
  keys: [string, string, string][]
  delivered: number
  provenAt: number | null
  failingSince: number | null
  /** `failing_since` as the claim read it: what a verdict of failing for too long rests on. */
  basedOn: number | null
  /** Whether a verdict of having gone rests on an earlier farewell. */
  saidGoneBefore: number
  slowMs: number | null
  /** `slow_ms` as the claim read it. */
  slowBasedOn: number | null
  pausedUntil: number | null
  goneAt: number | null
  disable: Farewell | "failing" | null
}

interface Attempted {
  endpoint: ClaimedEndpoint
  attempts: Attempt[]
  /** What was attempted: application, event, and the id of the attempt. */
  keys: [string, string, string][]
  /** How long what is still open has waited; null: nothing is. */
  waitedMs: number | null
}

/** What was attempted, by endpoint. Pings and our own faults say nothing about an endpoint's health. */
function byEndpoint(results: readonly DeliveryResult[]): Attempted[] {
  const found = new Map<string, Attempted>()
  for (const { delivery, attempt, open } of results) {
    const { id: attemptId } = attempt ?? { id: open?.attemptId }
    if (attemptId === undefined || attempt?.trigger === "ping" || attempt?.error === "internal") continue
    const { event, endpoint } = delivery
    const entry = found.get(endpoint.id) ?? { endpoint, attempts: [], keys: [], waitedMs: null }
    if (attempt) entry.attempts.push(attempt)
    entry.keys.push([event.applicationId, event.id, attemptId])
    if (open) entry.waitedMs = Math.max(entry.waitedMs ?? 0, open.waitedMs)
    found.set(endpoint.id, entry)
  }
  return [...found.values()]
}

/** The endpoints that have gone for good, as the attempts say. Asks D1 only where one of them has said so. */
export async function goneEndpoints(
  db: Db,
  results: readonly DeliveryResult[],
): Promise<ReadonlySet<string>> {
  const suspects = byEndpoint(results).filter(({ attempts }) =>
    attempts.some(({ farewell }) => farewell !== null),
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
  const rows = await db.read(sql`
    SELECT i.value AS id FROM json_each(${JSON.stringify(endpointIds)}) i WHERE EXISTS (
      SELECT 1 FROM (
        SELECT d.status FROM deliveries d WHERE d.endpoint_id = i.value
        ORDER BY d.attempt_id DESC LIMIT ${literal(LATEST_DELIVERIES)}
      ) WHERE status = 'delivered'
    )`)
  return new Set(rows.map((row) => row.id as string))
}

/** The endpoints whose health the attempts changed; `gone` names those of them that have gone for good. */
export function healthChanges(
  deps: Deps,
  results: readonly DeliveryResult[],
  gone: ReadonlySet<string>,
  now: number,
): HealthChange[] {
  return byEndpoint(results).flatMap(({ endpoint, attempts, keys, waitedMs }) => {
    const before = endpoint.health
    const { disableAfterMs, retryScheduleSeconds } = deps.config
    const forgiven = forgiveAfterMs(disableAfterMs, retryScheduleSeconds)
    const options = { disableAfterMs, forgiveAfterMs: forgiven, now, gone: gone.has(endpoint.id) }
    const { health: after, disable } = afterAttempts(before, attempts, options)
    const health = waitedMs === null ? after : whileOpen(after, waitedMs)
    const same =
      disable === null &&
      health.provenAt === before.provenAt &&
      health.failingSince === before.failingSince &&
      health.slowMs === before.slowMs &&
      health.goneAt === before.goneAt &&
      health.pausedUntil === before.pausedUntil
    if (same) return []
    return {
      id: endpoint.id,
      enabledAt: endpoint.enabledAt,
      keys,
      delivered: Number(attempts.some(({ outcome }) => outcome === "delivered")),
      provenAt: health.provenAt,
      failingSince: health.failingSince,
      basedOn: before.failingSince,
      saidGoneBefore: Number(before.goneAt !== null),
      slowMs: health.slowMs,
      slowBasedOn: before.slowMs,
      pausedUntil: health.pausedUntil,
      goneAt: health.goneAt,
      disable,
    }
  })
}

/**
 * What one statement writes to an endpoint: its health if that has changed, its rate, its
 * release, when it is next due.
 */
export interface EndpointUpdate extends Partial<HealthChange> {
  id: string
  /** Whether its lease ends, and whether it stays suspect nevertheless: 1 or 0. */
  released: number
  suspect: number
  /** Until when its rate is used up by what was sent; null: as it is. */
  throttledUntil: number | null
}

/**
 * Writes `EndpointUpdate`s in one statement, and returns when each endpoint is due. A change of health is
 * merged into what the row is by now, since invocations work on one endpoint at the same time: a success ends
 * the failing, a failure keeps its earliest time unless that is forgiven, the longer pause wins, and so does
 * the slower answer. It applies only while the work is held, and not over a fresh start that came between;
 * when the endpoint is due follows from its deliveries in any case.
 */
export function updateEndpoints(rows: string, held: Held, now: number): SQL {
  const token = held.by === "endpoint" ? held.token : null
  const changed = (column: SQL, to: SQL) => sql`CASE WHEN h.applies THEN ${to} ELSE ${column} END`
  const disables = sql`(h.applies AND (
    (h.row->>'disable' IN ('gone', 'asked') AND (gone_at IS NOT NULL OR NOT h.row->>'saidGoneBefore'))
    OR (h.row->>'disable' = 'failing' AND failing_since IS h.row->>'basedOn')))`
  const paused = changed(
    sql`paused_until`,
    sql`CASE WHEN h.row->>'delivered' THEN h.row->>'pausedUntil'
      ELSE nullif(max(coalesce(paused_until, 0), coalesce(h.row->>'pausedUntil', 0)), 0) END`,
  )
  const throttled = sql`coalesce(h.row->>'throttledUntil', throttled_until)`
  const unless = (column: SQL) => sql`CASE WHEN h.releases THEN NULL ELSE ${column} END`
  return sql`
    WITH h AS MATERIALIZED (
      SELECT e.id, h.value AS row, e.enabled_at = h.value->>'enabledAt' AND ${isHeld(held)} AS applies,
        h.value->>'released' AND e.lease_token = ${token} AS releases
      FROM json_each(${rows}) h CROSS JOIN endpoints e ON e.id = h.value->>'id'
    )
    UPDATE endpoints SET
      proven_at = ${changed(sql`proven_at`, sql`coalesce(proven_at, h.row->>'provenAt')`)},
      failing_since = ${changed(
        sql`failing_since`,
        sql`CASE WHEN h.row->>'delivered' THEN NULL
          WHEN failing_since IS h.row->>'basedOn' THEN h.row->>'failingSince'
          ELSE coalesce(failing_since, h.row->>'failingSince') END`,
      )},
      paused_until = ${paused},
      throttled_until = ${throttled},
      gone_at = ${changed(
        sql`gone_at`,
        sql`CASE WHEN h.row->>'delivered' THEN h.row->>'goneAt' ELSE coalesce(gone_at, h.row->>'goneAt') END`,
      )},
      slow_ms = ${changed(
        sql`slow_ms`,
        sql`CASE WHEN slow_ms IS h.row->>'slowBasedOn' THEN h.row->>'slowMs'
          ELSE nullif(max(coalesce(slow_ms, 0), coalesce(h.row->>'slowMs', 0)), 0) END`,
      )},
      disabled_at = coalesce(disabled_at, CASE WHEN ${disables} THEN ${now} END),
      disabled_reason = coalesce(disabled_reason, CASE WHEN ${disables} THEN h.row->>'disable' END),
      lease_token = ${unless(sql`lease_token`)},
      leased_until = ${unless(sql`leased_until`)},
      claims = CASE WHEN h.releases AND NOT h.row->>'suspect' THEN 0 ELSE claims END,
      due_at = ${dueAt(paused, unless(sql`leased_until`), throttled)}
    FROM h WHERE endpoints.id = h.id
    RETURNING due_at`
}

/** The condition that what the update `h` of the endpoint `e` rests on is still held. */
function isHeld(held: Held): SQL {
  switch (held.by) {
    case "event":
      return sql`EXISTS (
        SELECT 1 FROM json_each(h.value, '$.keys') i
        CROSS JOIN events v ON v.application_id = i.value->>0 AND v.id = i.value->>1
        WHERE ${isEventHeld(held.token)})`
    // Its attempt is in its row by now, unless somebody else has had the delivery.
    case "delivery":
      return sql`EXISTS (
        SELECT 1 FROM json_each(h.value, '$.keys') i
        CROSS JOIN deliveries d ON d.event_id = i.value->>1 AND d.endpoint_id = e.id
        WHERE d.attempt_id = i.value->>2 AND d.attempted_at IS NOT NULL)`
    default:
      return sql`e.lease_token = ${held.by === "endpoint" ? held.token : null}`
  }
}
