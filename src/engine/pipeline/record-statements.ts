import { type SQL, sql } from "drizzle-orm"

import { type Held, isEventHeld } from "./held.ts"
import { type EventKey, keysIn } from "./jobs.ts"

// The statements of a record. Their rows are JSON, as record.ts makes it: each names its event and endpoint.

/** By what right first attempts are recorded. */
export type HeldByFirst = Extract<Held, { by: "event" | "delivery" }>

/** Whether what is recorded are first attempts of deliveries. */
export function isOfFirsts(held: Held): held is HeldByFirst {
  return held.by === "event" || held.by === "delivery"
}

/**
 * Deliveries, each with its first attempt in its row; one whose request is still open waits for
 * that. An attempt that has no place there, because somebody else's is in it or it is not held any
 * more, is kept by itself.
 */
export function recordFirst(deliveries: readonly string[], held: HeldByFirst, now: number) {
  const isOwn = sql`EXISTS (
    SELECT 1 FROM deliveries d WHERE d.event_id = value->>'eventId' AND d.endpoint_id = value->>'endpointId'
      AND d.attempt_id = value->>'id' AND d.attempted_at IS NOT NULL)`
  return {
    deliveries: deliveries.map((rows) => insertDeliveries(rows, held, now)),
    attempts: deliveries.map((rows) => insertAttempts(rows, sql`NOT ${isOwn}`)),
  }
}

/** Attempts of deliveries that are there, and what these have become, as far as they are still held. */
export function recordLater(deliveries: readonly string[], held: Exclude<Held, HeldByFirst>, now: number) {
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

/** The requests of a ping that were claimed, but not started, as if they had never been claimed. */
export function giveBack(rows: string, token: string | null): SQL {
  return sql`
    UPDATE deliveries SET lease_token = NULL, claims = max(claims - 1, 0)
    FROM json_each(${rows}) r
    WHERE event_id = r.value->>'eventId' AND endpoint_id = r.value->>'endpointId'
      AND lease_token = ${token} AND status = 'pending'`
}

/** The events of which nothing is left to dispatch, as far as they are still held. */
export function markDispatched(events: readonly EventKey[], token: string | null, now: number): SQL {
  return sql`
    UPDATE events AS v SET dispatched_at = ${now}, lease_token = NULL, leased_until = NULL
    WHERE (v.application_id, v.id) IN (${keysIn(events)}) AND ${isEventHeld(token)}`
}
