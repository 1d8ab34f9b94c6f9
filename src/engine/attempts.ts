import { type SQL, sql } from "drizzle-orm"

import type { Row } from "../db/client.ts"
import { idAt } from "../db/ids.ts"
import { attempts } from "../db/schema.ts"
import { shapeOf } from "../db/shape.ts"
import type { Deps } from "../deps.ts"
import { getEndpoint } from "./endpoints.ts"
import { notFound } from "./errors.ts"
import { type EventFilter, getEvent } from "./event-log.ts"
import type { PageRequest } from "./page.ts"
import { allOf, hasChannel, isAmong, type Scan, type ScannedPage, scanPage } from "./scan.ts"

const shape = shapeOf(attempts)

export type AttemptRecord = typeof attempts.$inferSelect

/** One attempt of the application's event, named by its id or uid; refuses with `not_found`. */
export async function getAttempt(
  deps: Deps,
  applicationId: string,
  eventIdOrUid: string,
  id: string,
): Promise<AttemptRecord> {
  const { id: eventId } = await getEvent(deps, applicationId, eventIdOrUid)
  const [row] = await deps.database(applicationId).read(sql`
    SELECT ${shape.columns("a")} FROM attempts a
    WHERE a.application_id = ${applicationId} AND a.event_id = ${eventId} AND a.id = ${id}`)
  if (!row) throw notFound("Attempt")
  return shape.read(row)
}

/** Forgets what a receiver answered to an attempt. Refuses with `not_found`. */
export async function expungeAttempt(
  deps: Deps,
  applicationId: string,
  eventIdOrUid: string,
  id: string,
): Promise<void> {
  const { eventId } = await getAttempt(deps, applicationId, eventIdOrUid, id)
  await deps
    .database(applicationId)
    .batch([
      sql`UPDATE attempts SET body = NULL, body_truncated = 0 WHERE event_id = ${eventId} AND id = ${id}`,
    ])
}

export interface AttemptFilter extends Omit<EventFilter, "withPayload"> {
  /** Whether the receiver took it; null: of neither kind, which no attempt is that is over. */
  delivered?: boolean | null | undefined
  /** The hundred of the status code; 0 when there was no answer. */
  statusClass?: number | undefined
  withBody: boolean
}

/** The attempts made to an endpoint, newest first, pings left out; a page may be short of its limit (scan.ts). */
export async function listEndpointAttempts(
  deps: Deps,
  applicationId: string,
  endpointIdOrUid: string,
  request: PageRequest,
  filter: AttemptFilter,
): Promise<ScannedPage<AttemptRecord>> {
  const { id } = await getEndpoint(deps, applicationId, endpointIdOrUid)
  const scan = scanOf(sql`a.endpoint_id = ${id}`, filter)
  return readPage(await scanPage(deps.database(applicationId), request, scan))
}

/** The attempts made for an event, newest first; those to one endpoint if it is named. */
export async function listEventAttempts(
  deps: Deps,
  applicationId: string,
  eventIdOrUid: string,
  request: PageRequest,
  filter: AttemptFilter & { endpoint?: string | undefined },
): Promise<ScannedPage<AttemptRecord>> {
  const event = await getEvent(deps, applicationId, eventIdOrUid)
  const endpoint =
    filter.endpoint === undefined ? null : await getEndpoint(deps, applicationId, filter.endpoint)
  const only = endpoint ? sql`a.endpoint_id = ${endpoint.id}` : undefined
  const scan = scanOf(sql`a.event_id = ${event.id}`, filter, only)
  return readPage(await scanPage(deps.database(applicationId), request, scan))
}

function scanOf(owner: SQL, filter: AttemptFilter, only?: SQL): Scan {
  const ofEvent = filter.channel !== undefined || filter.eventTypes !== undefined
  return {
    table: sql`attempts a`,
    place: sql`a.rowid`,
    owner,
    key: sql`a.id`,
    from: filter.since === undefined ? undefined : idAt("attempt", filter.since),
    below: filter.before === undefined ? undefined : idAt("attempt", filter.before),
    joins: ofEvent ? sql`CROSS JOIN events t ON t.id = a.event_id` : sql``,
    filter: allOf(
      sql`a.trigger <> 'ping'`,
      only,
      isAmong(sql`t.event_type`, filter.eventTypes),
      hasChannel(sql`t.channels`, filter.channel),
      hasResult(filter.delivered),
      hasStatusClass(filter.statusClass),
    ),
    columns: sql`a.event_id, a.id, a.endpoint_id, a.application_id, a.trigger, a.url, a.status_code, a.status_text,
      a.error, a.duration_ms, a.created_at, a.body_encoding, a.body_truncated,
      ${filter.withBody ? sql`a.body` : sql`NULL AS body`}`,
  }
}

function hasResult(delivered: boolean | null | undefined): SQL | undefined {
  if (delivered === undefined) return undefined
  if (delivered === null) return sql`false`
  const taken = sql`coalesce(a.status_code BETWEEN 200 AND 299, 0)`
  return delivered ? taken : sql`NOT ${taken}`
}

function hasStatusClass(statusClass: number | undefined): SQL | undefined {
  if (statusClass === undefined) return undefined
  if (statusClass === 0) return sql`a.status_code IS NULL`
  return sql`a.status_code BETWEEN ${statusClass} AND ${statusClass + 99}`
}

function readPage(page: ScannedPage<Row>): ScannedPage<AttemptRecord> {
  return { ...page, rows: page.rows.map(shape.read) }
}
