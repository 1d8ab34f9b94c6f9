import { type SQL, sql } from "drizzle-orm"

import type { Db } from "../../db/client.ts"
import { inChunks } from "../../db/json.ts"
import type { Deps } from "../../deps.ts"
import { afterAttempts } from "../rules/endpoint-health.ts"
import { nextAttemptAt } from "../rules/retry-schedule.ts"
import type { Attempt } from "./attempt.ts"
import type { ClaimedEndpoint, Owed } from "./claimed.ts"

const RECORD_TRIES = 5
const FIRST_PAUSE_MS = 50

export type DeliveryStatus = "pending" | "delivered" | "failed" | "canceled"
export type DeliveryReason =
  | "disabled"
  | "gone"
  | "exhausted"
  | "refused-target"
  | "expired"
  | "internal"
  | "removed"
  | "unsubscribed"

/** What happened to one delivery under a claim. Without an attempt it was put off, and is due at once. */
export interface Handled {
  owed: Owed
  attempt: Attempt | null
}

export interface Recorded {
  /** The token of the claim under which all this happened. */
  token: string
  handled: readonly Handled[]
  /** Events whose every delivery is among `handled` or recorded before. */
  dispatched?: readonly string[]
  /** Endpoints whose lease ends with this batch. */
  released?: readonly string[]
}

interface DeliveryState {
  status: DeliveryStatus
  reason: DeliveryReason | null
  attempts: number
  nextAttemptAt: number | null
}

/**
 * Writes everything that happened under a claim in one batch: attempts always, state only while the claim
 * still holds. What was sent must not be forgotten, so the batch is repeated, and then taken apart delivery by
 * delivery: one bad row cannot take its neighbours along. Answers the earliest booked next attempt (epoch ms).
 */
export async function record(deps: Deps, db: Db, recorded: Recorded): Promise<number | null> {
  const states = new Map(recorded.handled.map((handled) => [handled, stateAfter(deps, handled)]))
  try {
    await repeat(deps, db, recorded, states)
  } catch (error) {
    deps.log({ unit: "fault", during: "record", deliveries: recorded.handled.length, error: String(error) })
    await recordOneByOne(deps, db, recorded, states)
  }
  const booked = [...states.values()].flatMap((state) => state.nextAttemptAt ?? [])
  return booked.length === 0 ? null : Math.min(...booked)
}

async function repeat(
  deps: Deps,
  db: Db,
  recorded: Recorded,
  states: ReadonlyMap<Handled, DeliveryState>,
): Promise<void> {
  const statements = statementsOf(deps, recorded, states)
  for (let tries = 1; ; tries++) {
    try {
      await db.batch(statements)
      return
    } catch (error) {
      if (tries >= RECORD_TRIES) throw error
      await deps.clock.sleep(FIRST_PAUSE_MS * 2 ** tries * (0.5 + deps.random()))
    }
  }
}

async function recordOneByOne(
  deps: Deps,
  db: Db,
  { token, handled, dispatched = [], released = [] }: Recorded,
  states: ReadonlyMap<Handled, DeliveryState>,
): Promise<void> {
  const lost = new Set<string>()
  for (const one of handled) {
    try {
      await repeat(deps, db, { token, handled: [one] }, states)
    } catch (error) {
      lost.add(one.owed.event.id)
      deps.log({
        unit: "fault",
        during: "record",
        eventId: one.owed.event.id,
        endpointId: one.owed.endpoint.id,
        attemptId: one.attempt?.id,
        error: String(error),
      })
    }
  }
  // An event with a lost result stays claimed until its lease runs out, and is then handled again.
  const complete = dispatched.filter((id) => !lost.has(id))
  await repeat(deps, db, { token, handled: [], dispatched: complete, released }, states)
}

/** What a delivery becomes through what happened to it. */
function stateAfter(deps: Deps, { owed, attempt }: Handled): DeliveryState {
  const now = deps.clock.now()
  if (!attempt) return { status: "pending", reason: null, attempts: owed.attempts, nextAttemptAt: now }
  const attempts = owed.attempts + 1
  const ended = (status: DeliveryStatus, reason: DeliveryReason | null): DeliveryState => ({
    status,
    reason,
    attempts,
    nextAttemptAt: null,
  })
  if (attempt.outcome === "delivered") return ended("delivered", null)
  if (attempt.outcome === "refused") return ended("failed", "refused-target")
  if (attempt.trigger === "ping") return ended("failed", "exhausted")
  if (attempt.outcome === "gone") return ended("failed", "gone")
  const next = nextAttemptAt({
    schedule: deps.config.retryScheduleSeconds,
    attempts,
    now,
    random: deps.random(),
    retryAfterMs: attempt.retryAfterMs,
  })
  if (next === null) return ended("failed", "exhausted")
  return { status: "pending", reason: null, attempts, nextAttemptAt: next }
}

function statementsOf(
  deps: Deps,
  { token, handled, dispatched = [], released = [] }: Recorded,
  states: ReadonlyMap<Handled, DeliveryState>,
): SQL[] {
  const now = deps.clock.now()
  const attempts = handled.flatMap(({ attempt }) => attempt ?? [])
  const deliveries = handled.flatMap((one) => {
    const state = states.get(one)
    if (!state) return []
    const { event, endpoint } = one.owed
    return { eventId: event.id, endpointId: endpoint.id, applicationId: event.applicationId, ...state }
  })
  const moved = deliveries.filter((delivery) => delivery.status === "pending").map((d) => d.endpointId)
  return [
    ...inChunks(attempts).map(insertAttempts),
    ...inChunks(deliveries).map((rows) => upsertDeliveries(rows, token, now)),
    ...inChunks(healthChanges(deps, handled, now)).map((rows) => updateHealth(rows, now)),
    ...(dispatched.length > 0 ? [markDispatched(dispatched, token, now)] : []),
    ...(released.length > 0 ? [releaseEndpoints(token)] : []),
    ...refreshDueAt([...moved, ...released]),
  ]
}

function insertAttempts(rows: string): SQL {
  return sql`
    INSERT INTO attempts (event_id, id, endpoint_id, application_id, trigger, url, status_code, error,
      duration_ms, created_at, body_encoding, body_truncated, body)
    SELECT value->>'eventId', value->>'id', value->>'endpointId', value->>'applicationId', value->>'trigger',
      value->>'url', value->>'statusCode', value->>'error', value->>'durationMs', value->>'at',
      value->>'$.body.encoding', value->>'$.body.truncated', value->>'$.body.text'
    FROM json_each(${rows}) WHERE true ON CONFLICT DO NOTHING`
}

/**
 * New for a delivery first attempted with its event, an update for one claimed later; in both cases only under
 * the token, so that a result that comes after the lease was lost never becomes state.
 */
function upsertDeliveries(rows: string, token: string, now: number): SQL {
  return sql`
    INSERT INTO deliveries (event_id, endpoint_id, application_id, status, reason, attempts, next_attempt_at,
      created_at, ended_at)
    SELECT value->>'eventId', value->>'endpointId', value->>'applicationId', value->>'status', value->>'reason',
      value->>'attempts', value->>'nextAttemptAt', ${now},
      CASE WHEN value->>'status' = 'pending' THEN NULL ELSE ${now} END
    FROM json_each(${rows})
    WHERE EXISTS (SELECT 1 FROM events v WHERE v.id = value->>'eventId' AND v.lease_token = ${token})
      OR EXISTS (SELECT 1 FROM deliveries d WHERE d.event_id = value->>'eventId'
        AND d.endpoint_id = value->>'endpointId' AND d.lease_token = ${token})
    ON CONFLICT (event_id, endpoint_id) DO UPDATE SET
      status = excluded.status, reason = excluded.reason, attempts = excluded.attempts,
      next_attempt_at = excluded.next_attempt_at, ended_at = excluded.ended_at,
      claims = 0, lease_token = NULL, leased_until = NULL
    WHERE deliveries.lease_token = ${token} AND deliveries.status = 'pending'`
}

interface HealthChange {
  id: string
  enabledAt: number
  failingSince: number | null
  slow: number
  pausedUntil: number | null
  disable: "gone" | "failing" | null
}

/** The endpoints whose health the attempts changed. Pings and our own faults say nothing about it. */
function healthChanges(deps: Deps, handled: readonly Handled[], now: number): HealthChange[] {
  const byEndpoint = new Map<string, { endpoint: ClaimedEndpoint; attempts: Attempt[] }>()
  for (const { owed, attempt } of handled) {
    if (!attempt || attempt.trigger === "ping" || attempt.error === "internal") continue
    const entry = byEndpoint.get(owed.endpoint.id) ?? { endpoint: owed.endpoint, attempts: [] }
    entry.attempts.push(attempt)
    byEndpoint.set(owed.endpoint.id, entry)
  }
  return [...byEndpoint.values()].flatMap(({ endpoint, attempts }) => {
    const { health, disable } = afterAttempts(endpoint.health, attempts, {
      disableAfterMs: deps.config.disableAfterMs,
      now,
    })
    const throttled =
      endpoint.throttleRate === null ? 0 : now + Math.ceil((attempts.length * 1000) / endpoint.throttleRate)
    const pausedUntil = throttled > (health.pausedUntil ?? 0) ? throttled : health.pausedUntil
    const before = endpoint.health
    const same =
      disable === null &&
      health.failingSince === before.failingSince &&
      health.slow === before.slow &&
      pausedUntil === before.pausedUntil
    if (same) return []
    const { id, enabledAt } = endpoint
    return {
      id,
      enabledAt,
      failingSince: health.failingSince,
      slow: Number(health.slow),
      pausedUntil,
      disable,
    }
  })
}

function updateHealth(rows: string, now: number): SQL {
  return sql`
    UPDATE endpoints SET
      failing_since = h.value->>'failingSince', slow = h.value->>'slow', paused_until = h.value->>'pausedUntil',
      disabled_at = coalesce(disabled_at, CASE WHEN h.value->>'disable' IS NULL THEN NULL ELSE ${now} END),
      disabled_reason = coalesce(disabled_reason, h.value->>'disable')
    FROM json_each(${rows}) h
    WHERE endpoints.id = h.value->>'id' AND endpoints.enabled_at = h.value->>'enabledAt'`
}

function markDispatched(eventIds: readonly string[], token: string, now: number): SQL {
  return sql`
    UPDATE events SET dispatched_at = ${now}, lease_token = NULL, leased_until = NULL
    WHERE id IN (SELECT value FROM json_each(${JSON.stringify(eventIds)})) AND lease_token = ${token}`
}

function releaseEndpoints(token: string): SQL {
  return sql`UPDATE endpoints SET lease_token = NULL, leased_until = NULL WHERE lease_token = ${token}`
}

/** Statements that derive `due_at` anew; they belong into every batch that moves these endpoints' deliveries. */
export function refreshDueAt(endpointIds: readonly string[]): SQL[] {
  if (endpointIds.length === 0) return []
  return [
    sql`
      UPDATE endpoints SET due_at = (
        SELECT min(d.next_attempt_at) FROM deliveries d WHERE d.endpoint_id = endpoints.id AND d.status = 'pending'
      ) WHERE id IN (SELECT value FROM json_each(${JSON.stringify([...new Set(endpointIds)])}))`,
  ]
}
