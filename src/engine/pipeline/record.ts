import { type SQL, sql } from "drizzle-orm"

import type { Db } from "../../db/client.ts"
import { newId } from "../../db/ids.ts"
import { inChunks } from "../../db/json.ts"
import type { Deps } from "../../platform/deps.ts"
import { nudgeOperations } from "../events/operational.ts"
import type { ClaimedDelivery } from "./claim.ts"
import { readDue } from "./due.ts"
import {
  type EndpointUpdate,
  goneEndpoints,
  type HealthChange,
  healthChanges,
  updateEndpoints,
} from "./endpoint-health.ts"
import { type Held, isEventHeld } from "./held.ts"
import { type EventKey, keysIn } from "./jobs.ts"
import { operationalEvents } from "./operational.ts"
import { type DeliveryResult, type DeliveryState, stateAfter } from "./state.ts"

export interface Recorded {
  held: Held
  results: readonly DeliveryResult[]
  /** Requests of a ping that were claimed, but not started: as if never claimed. */
  untouched?: readonly ClaimedDelivery[]
  /** Events whose every delivery is among `results` or recorded before. */
  dispatched?: readonly EventKey[]
  /** Endpoints whose lease ends with this batch. */
  released?: readonly string[]
  /** Until when what was sent uses up the rates of endpoints, by id. */
  throttled?: ReadonlyMap<string, number>
  /** Those of them where something suspect was left for later: their claims stay counted. */
  suspect?: readonly string[]
}

/**
 * Writes everything that happened in one batch: attempts always, state only while the work is still held.
 * What was sent must not be forgotten, so the batch is repeated, and then taken apart delivery by delivery:
 * one bad row cannot take its neighbours along. Never throws: what stays unrecorded is logged, and found when
 * its lease runs out. Answers when the endpoints concerned are next due (epoch ms), null: never.
 */
export async function record(deps: Deps, db: Db, recorded: Recorded): Promise<number | null> {
  const verdicts = await judgeAll(deps, db, recorded.results)
  try {
    return await recordTogether(deps, db, recorded, verdicts)
  } catch (error) {
    deps.observe({
      unit: "fault",
      during: "record",
      deliveries: recorded.results.length,
      error: String(error),
    })
    return recordOneByOne(deps, db, recorded, verdicts)
  }
}

/** What follows from what happened. Made once: a repeated batch must book the same times. */
interface Verdicts {
  states: ReadonlyMap<DeliveryResult, DeliveryState>
  gone: ReadonlySet<string>
}

async function judgeAll(deps: Deps, db: Db, results: readonly DeliveryResult[]): Promise<Verdicts> {
  const gone = await goneEndpoints(db, results).catch((error): ReadonlySet<string> => {
    // Who is really gone says so again.
    deps.observe({ unit: "fault", during: "record", deliveries: results.length, error: String(error) })
    return new Set()
  })
  const states = new Map(
    results.map((one) => [one, stateAfter(deps, one, gone.has(one.delivery.endpoint.id))]),
  )
  return { states, gone }
}

async function recordTogether(
  deps: Deps,
  db: Db,
  recorded: Recorded,
  { states, gone }: Verdicts,
): Promise<number | null> {
  const { held, results, untouched = [], dispatched = [] } = recorded
  const now = deps.clock.now()
  const changes = healthChanges(deps, results, gone, now)
  const deliveries = inChunks(rowsOf(recorded, states, now))
  const { due, operational } = await db.batch(
    {
      ...(isOfFirsts(held) ? recordFirst(deliveries, held, now) : recordLater(deliveries, held, now)),
      untouched:
        held.by === "ping" ? inChunks(pairsOf(untouched)).map((rows) => giveBack(rows, held.token)) : null,
      due: inChunks(endpointUpdates(recorded, states, changes)).map((rows) =>
        updateEndpoints(rows, held, now),
      ),
      operational: operationalEvents(deps, db, results, states, changes, now),
      // Last: what stands before it asks whether its event is still held.
      dispatched:
        held.by === "event" && dispatched.length > 0 ? markDispatched(dispatched, held.token, now) : null,
    },
    "stubborn",
  )
  await nudgeOperations(deps, db, operational)
  return readDue(due)
}

async function recordOneByOne(
  deps: Deps,
  db: Db,
  recorded: Recorded,
  verdicts: Verdicts,
): Promise<number | null> {
  const { held, dispatched = [], released = [] } = recorded
  const lost = new Set<string>()
  for (const one of recorded.results) {
    const { event, endpoint } = one.delivery
    try {
      await recordTogether(deps, db, { held, results: [one] }, verdicts)
    } catch (error) {
      lost.add(event.id).add(endpoint.id)
      deps.observe({
        unit: "fault",
        during: "record-one",
        eventId: event.id,
        endpointId: endpoint.id,
        attemptId: one.attempt?.id ?? null,
        error: String(error),
      })
    }
  }
  // What has a lost result stays claimed until its lease runs out, and is handled again only then.
  const rest = {
    held,
    results: [],
    untouched: recorded.untouched ?? [],
    dispatched: dispatched.filter(({ eventId }) => !lost.has(eventId)),
    released: released.filter((id) => !lost.has(id)),
    throttled: recorded.throttled ?? new Map(),
  }
  try {
    return await recordTogether(deps, db, rest, verdicts)
  } catch (error) {
    deps.observe({ unit: "fault", during: "record", deliveries: 0, error: String(error) })
    return null
  }
}

/**
 * A delivery and what was attempted for it, as JSON for the statements below; without an
 * attempt it has no `at`.
 */
function rowsOf({ held, results }: Recorded, states: Verdicts["states"], now: number) {
  return results.flatMap((one) => {
    const state = states.get(one)
    // Where a lease goes on, it covers what is still open.
    if (!state || (one.open && !isOfFirsts(held))) return []
    const { event, endpoint } = one.delivery
    const key = { eventId: event.id, endpointId: endpoint.id, applicationId: event.applicationId }
    return one.attempt
      ? { ...one.attempt, ...key, ...state }
      : { ...key, ...state, id: one.open?.attemptId ?? newId("attempt", now) }
  })
}

/**
 * The endpoints of which something follows: their health has changed, something is due
 * there, or they are released.
 */
function endpointUpdates(
  { held, results, released = [], throttled = new Map(), suspect = [] }: Recorded,
  states: Verdicts["states"],
  changes: readonly HealthChange[],
): EndpointUpdate[] {
  // What was open has been booked: however it ended, what its endpoint waits for is another.
  const due = results.filter((one) => held.by === "delivery" || states.get(one)?.status === "pending")
  const changeOf = new Map(changes.map((change) => [change.id, change]))
  const ids = new Set([
    ...due.map(({ delivery }) => delivery.endpoint.id),
    ...changeOf.keys(),
    ...released,
    ...throttled.keys(),
  ])
  return [...ids].map((id) => ({
    ...changeOf.get(id),
    id,
    released: Number(released.includes(id)),
    suspect: Number(suspect.includes(id)),
    throttledUntil: throttled.get(id) ?? null,
  }))
}

function pairsOf(deliveries: readonly ClaimedDelivery[]) {
  return deliveries.map(({ event, endpoint }) => ({ eventId: event.id, endpointId: endpoint.id }))
}

type HeldByFirst = Extract<Held, { by: "event" | "delivery" }>

/** Whether what is recorded are deliveries' first attempts. */
function isOfFirsts(held: Held): held is HeldByFirst {
  return held.by === "event" || held.by === "delivery"
}

/**
 * Deliveries, each with its first attempt in its row; one whose request is still open waits for
 * that. An attempt that has no place there, because somebody else's is in it or it is not held any
 * more, is kept by itself.
 */
function recordFirst(deliveries: readonly string[], held: HeldByFirst, now: number) {
  const isOwn = sql`EXISTS (
    SELECT 1 FROM deliveries d WHERE d.event_id = value->>'eventId' AND d.endpoint_id = value->>'endpointId'
      AND d.attempt_id = value->>'id' AND d.attempted_at IS NOT NULL)`
  return {
    deliveries: deliveries.map((rows) => insertDeliveries(rows, held, now)),
    attempts: deliveries.map((rows) => insertAttempts(rows, sql`NOT ${isOwn}`)),
  }
}

function recordLater(deliveries: readonly string[], held: Exclude<Held, HeldByFirst>, now: number) {
  return {
    attempts: deliveries.map((rows) => insertAttempts(rows)),
    deliveries: deliveries.map((rows) => updateDeliveries(rows, held, now)),
  }
}

/** Kept whatever became of the claim; not for an event that retention has deleted meanwhile. */
export function insertAttempts(rows: string, onlyIf = sql`true`): SQL {
  return sql`
    INSERT INTO attempts (event_id, id, endpoint_id, application_id, trigger, url, status_code, status_text,
      error, duration_ms, created_at, body_encoding, body_truncated, body, headers)
    SELECT value->>'eventId', value->>'id', value->>'endpointId', value->>'applicationId', value->>'trigger',
      value->>'url', value->>'statusCode', value->>'statusText', value->>'error', value->>'durationMs',
      value->>'at', value->>'$.body.encoding', value->>'$.body.truncated', value->>'$.body.text', value->>'headers'
    FROM json_each(${rows}) WHERE value->>'at' IS NOT NULL AND ${onlyIf} AND EXISTS (
      SELECT 1 FROM events v WHERE v.application_id = value->>'applicationId' AND v.id = value->>'eventId'
    )
    ON CONFLICT DO NOTHING`
}

function insertDeliveries(rows: string, held: HeldByFirst, now: number): SQL {
  const isHeld =
    held.by === "event"
      ? sql`EXISTS (
          SELECT 1 FROM events v WHERE v.application_id = value->>'applicationId' AND v.id = value->>'eventId'
            AND ${isEventHeld(held.token)})`
      : // Once it is due the retry lane may have taken it.
        sql`EXISTS (
          SELECT 1 FROM deliveries d WHERE d.event_id = value->>'eventId' AND d.endpoint_id = value->>'endpointId'
            AND d.attempt_id = value->>'id' AND d.next_attempt_at > ${now})`
  return sql`
    INSERT INTO deliveries (event_id, endpoint_id, application_id, status, reason, attempts, next_attempt_at,
      created_at, ended_at, attempt_id, attempted_at, url, status_code, status_text, error, duration_ms,
      body_encoding, body_truncated, body, headers)
    SELECT value->>'eventId', value->>'endpointId', value->>'applicationId', value->>'status', value->>'reason',
      value->>'attempts', value->>'nextAttemptAt', ${now},
      CASE WHEN value->>'status' = 'pending' THEN NULL ELSE ${now} END, value->>'id', value->>'at', value->>'url',
      value->>'statusCode', value->>'statusText', value->>'error', value->>'durationMs',
      value->>'$.body.encoding', value->>'$.body.truncated', value->>'$.body.text', value->>'headers'
    FROM json_each(${rows}) WHERE ${isHeld}
    -- The row is there already where its first request was open, and where a resend has put it.
    ON CONFLICT (event_id, endpoint_id) DO UPDATE SET
      status = excluded.status, reason = excluded.reason, attempts = excluded.attempts,
      next_attempt_at = excluded.next_attempt_at, ended_at = excluded.ended_at, attempt_id = excluded.attempt_id,
      attempted_at = excluded.attempted_at, url = excluded.url, status_code = excluded.status_code,
      status_text = excluded.status_text, error = excluded.error, duration_ms = excluded.duration_ms,
      body_encoding = excluded.body_encoding, body_truncated = excluded.body_truncated, body = excluded.body,
      headers = excluded.headers
    WHERE deliveries.status = 'pending' AND deliveries.attempts = 0 AND deliveries.attempted_at IS NULL`
}

/** Only while held, so that a result that comes after the lease was lost never becomes state. */
function updateDeliveries(rows: string, held: Exclude<Held, HeldByFirst>, now: number): SQL {
  const isHeld =
    held.by === "ping"
      ? sql`d.lease_token = ${held.token}`
      : sql`EXISTS (SELECT 1 FROM endpoints e WHERE e.id = d.endpoint_id AND e.lease_token = ${held.token})`
  return sql`
    UPDATE deliveries AS d SET
      status = r.value->>'status', reason = r.value->>'reason', attempts = r.value->>'attempts',
      next_attempt_at = r.value->>'nextAttemptAt',
      ended_at = CASE WHEN r.value->>'status' = 'pending' THEN NULL ELSE ${now} END,
      claims = 0, lease_token = NULL
    FROM json_each(${rows}) r
    WHERE d.event_id = r.value->>'eventId' AND d.endpoint_id = r.value->>'endpointId' AND d.status = 'pending'
      AND ${isHeld}`
}

function giveBack(rows: string, token: string | null): SQL {
  return sql`
    UPDATE deliveries SET lease_token = NULL, claims = max(claims - 1, 0)
    FROM json_each(${rows}) r
    WHERE event_id = r.value->>'eventId' AND endpoint_id = r.value->>'endpointId'
      AND lease_token = ${token} AND status = 'pending'`
}

function markDispatched(events: readonly EventKey[], token: string | null, now: number): SQL {
  return sql`
    UPDATE events AS v SET dispatched_at = ${now}, lease_token = NULL, leased_until = NULL
    WHERE (v.application_id, v.id) IN (${keysIn(events)}) AND ${isEventHeld(token)}`
}
