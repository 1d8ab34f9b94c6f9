import { sql } from "drizzle-orm"
import type { Row } from "../../db/client.ts"
import { idAt, newId } from "../../db/ids.ts"
import { inChunks } from "../../db/json.ts"
import type { Deps } from "../../platform/deps.ts"
import { listSubscriptions, type Subscription } from "../endpoints/subscriptions.ts"
import { EngineError, notFound } from "../kit/errors.ts"
import { enqueue } from "../pipeline/jobs.ts"
import { PING_EXPIRES_MS } from "../pipeline/ping.ts"
import { describeError, describeStatus, type ErrorClass } from "../rules/outcome.ts"
import { requireSpace } from "../upkeep/space.ts"

/** All payloads of one ping together: what an invocation can hold. */
const MAX_PING_BYTES = 16 * 1024 * 1024
/** All answers to one ping together, as far as they are shown: what an invocation can hold twice. */
const MAX_RESULTS_BYTES = 4 * 1024 * 1024
/** A job makes at most this many requests: the budget of an invocation. */
const REQUESTS_PER_JOB = 40
const JOBS_AT_ONCE = 5

export interface PingKey {
  id: string
  applicationIds: readonly string[]
}

export interface Ping extends PingKey {
  /**
   * What it consists of: a request for each, by event type, then registration, application after application.
   */
  subscriptions: readonly Subscription[]
}

export interface PingResult {
  eventType: string
  url: string
  state: "pending" | "delivered" | "failed"
  statusCode: number | null
  /** Why it failed, for a person; null otherwise. */
  error: string | null
  /** What the receiver answered; empty unless it was text. */
  body: string
  truncated: boolean
}

/**
 * Sends a test event to every subscription of the applications (of one event type, if named): an event
 * a type, marked as a ping, with a delivery a subscription, attempted once by the queue `tasks`.
 * Disabled endpoints are pinged too. Answers null when there is no subscription; refuses with
 * `payload_too_large` or `storage_full`.
 */
export async function startPing(
  deps: Deps,
  applicationIds: readonly string[],
  ping: { eventType?: string | undefined; payload: (eventType: string) => string },
): Promise<Ping | null> {
  const now = deps.clock.now()
  const id = newId("ping", now)
  const filter = ping.eventType === undefined ? {} : { eventType: ping.eventType }
  const payload = withinBytes(MAX_PING_BYTES, ping.payload)
  const parts: PingPart[] = []
  for (const applicationId of applicationIds) {
    const subscriptions = await listSubscriptions(deps, applicationId, filter)
    if (subscriptions.length === 0) continue
    parts.push({ applicationId, subscriptions, ...rowsOf(subscriptions, payload, now) })
  }
  if (parts.length === 0) return null
  for (const { applicationId } of parts) await requireSpace(deps, applicationId)
  for (const { applicationId, subscriptions, events, deliveries } of parts) {
    const db = deps.shardOf(applicationId)
    await db.batch({
      events: inChunks(events).map((rows) => insertEvents(rows, applicationId, id, now)),
      deliveries: inChunks(deliveries).map((rows) => insertDeliveries(rows, applicationId, now)),
    })
    const jobs = Math.min(JOBS_AT_ONCE, Math.ceil(subscriptions.length / REQUESTS_PER_JOB))
    for (let job = 0; job < jobs; job++) await enqueue(deps, db, { kind: "ping", applicationId, pingId: id })
  }
  return {
    id,
    applicationIds: parts.map(({ applicationId }) => applicationId),
    subscriptions: parts.flatMap(({ subscriptions }) => subscriptions),
  }
}

/** How many of a ping's requests are still to be answered; none once it has expired. */
export async function pendingPings(deps: Deps, ping: PingKey): Promise<number> {
  let pending = 0
  for (const applicationId of ping.applicationIds) {
    const rows = await deps.shardOf(applicationId).read(sql`
      SELECT count(*) AS pending FROM events v JOIN deliveries d ON d.event_id = v.id
      WHERE v.ping_id = ${ping.id} AND v.application_id = ${applicationId} AND d.status = 'pending'
        AND v.created_at > ${deps.clock.now() - PING_EXPIRES_MS}`)
    pending += (rows.at(0)?.pending as number | undefined) ?? 0
  }
  return pending
}

/**
 * A ping's results so far, by event type, then registration, application after application. Refuses with
 * `not_found` for a ping that never was or is past retention.
 */
export async function getPingResults(deps: Deps, ping: PingKey): Promise<PingResult[]> {
  const results: PingResult[] = []
  for (const applicationId of ping.applicationIds) {
    const mine = sql`v.ping_id = ${ping.id} AND v.application_id = ${applicationId}`
    const { deliveries, attempts } = await deps.shardOf(applicationId).readAll({
      deliveries: sql`
        SELECT d.event_id, d.endpoint_id, d.status, d.reason, v.event_type, v.created_at, e.url
        FROM events v JOIN deliveries d ON d.event_id = v.id JOIN endpoints e ON e.id = d.endpoint_id
        WHERE ${mine} ORDER BY v.id, d.attempt_id`,
      // A ping is never in its delivery's row: that is there before it.
      attempts: sql`
        SELECT a.event_id, a.endpoint_id, a.status_code, a.status_text, a.error, a.body_encoding,
          CASE WHEN b.fits THEN a.body ELSE '' END AS body, a.body_truncated OR NOT b.fits AS body_truncated
        FROM (
          SELECT a.event_id, a.id,
            sum(coalesce(octet_length(a.body), 0)) OVER (ORDER BY a.event_id, a.id) <= ${MAX_RESULTS_BYTES} AS fits
          FROM events v JOIN attempts a ON a.event_id = v.id WHERE ${mine}
        ) b JOIN attempts a ON a.event_id = b.event_id AND a.id = b.id`,
    })
    const attemptOf = new Map(attempts.map((row) => [`${row.event_id} ${row.endpoint_id}`, row]))
    const expired = deps.clock.now() - PING_EXPIRES_MS
    for (const row of deliveries) {
      const attempt = attemptOf.get(`${row.event_id} ${row.endpoint_id}`)
      const statusCode = (attempt?.status_code as number | null | undefined) ?? null
      const late =
        row.reason === "expired" || (row.status === "pending" && (row.created_at as number) <= expired)
      const state =
        row.status === "delivered" ? "delivered" : row.status === "pending" && !late ? "pending" : "failed"
      results.push({
        eventType: row.event_type as string,
        url: row.url as string,
        state,
        statusCode,
        error: state === "failed" ? failureOf(attempt, late) : null,
        body: attempt?.body_encoding === "utf8" ? (attempt.body as string) : "",
        truncated: attempt?.body_truncated === 1,
      })
    }
  }
  if (results.length === 0) throw notFound("Ping")
  return results
}

function failureOf(attempt: Row | undefined, late: boolean): string {
  if (late || !attempt) return "Expired"
  if (attempt.status_code === null) return describeError(attempt.error as ErrorClass)
  return `HTTP error: ${attempt.status_text ?? describeStatus(attempt.status_code as number)}`
}

/** What a ping writes for one application. */
interface PingPart {
  applicationId: string
  subscriptions: readonly Subscription[]
  events: { id: string; eventTypeId: string; eventType: string; payload: string }[]
  /** Each with its place among them, in the form of an attempt's id. */
  deliveries: { eventId: string; endpointId: string; place: string }[]
}

/**
 * The same payloads, refused as soon as all of them together are more than `limit`:
 * before they fill the memory.
 */
function withinBytes(limit: number, payload: (eventType: string) => string): (eventType: string) => string {
  let left = limit
  return (eventType) => {
    const made = payload(eventType)
    left -= new TextEncoder().encode(made).byteLength
    if (left >= 0) return made
    throw new EngineError(
      "payload_too_large",
      "The payload times the event types is too large for one ping: name one event type",
    )
  }
}

function rowsOf(subscriptions: readonly Subscription[], payload: (eventType: string) => string, now: number) {
  const events = new Map<string, PingPart["events"][number]>()
  const deliveries: PingPart["deliveries"] = []
  for (const { eventTypeId, eventType, endpointId } of subscriptions) {
    let event = events.get(eventTypeId)
    if (!event) {
      event = { id: newId("event", now), eventTypeId, eventType, payload: payload(eventType) }
      events.set(eventTypeId, event)
    }
    const place = deliveries.length.toString(16).padStart(20, "0")
    deliveries.push({ eventId: event.id, endpointId, place: idAt("attempt", now) + place })
  }
  return { events: [...events.values()], deliveries }
}

function insertEvents(rows: string, applicationId: string, pingId: string, now: number) {
  return sql`
    INSERT INTO events (id, application_id, event_type_id, event_type, ping_id, created_at, payload)
    SELECT value->>'id', ${applicationId}, value->>'eventTypeId', value->>'eventType', ${pingId}, ${now},
      value->>'payload'
    FROM json_each(${rows}) WHERE true ON CONFLICT DO NOTHING`
}

function insertDeliveries(rows: string, applicationId: string, now: number) {
  return sql`
    INSERT INTO deliveries (event_id, endpoint_id, application_id, status, created_at, attempt_id)
    SELECT value->>'eventId', value->>'endpointId', ${applicationId}, 'pending', ${now}, value->>'place'
    FROM json_each(${rows}) WHERE true ON CONFLICT DO NOTHING`
}
