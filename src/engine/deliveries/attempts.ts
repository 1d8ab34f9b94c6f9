import { type SQL, sql } from "drizzle-orm"

import type { Row } from "../../db/client.ts"
import { idAt } from "../../db/ids.ts"
import { attempts } from "../../db/schema/deliveries.ts"
import { shapeOf } from "../../db/shape.ts"
import type { Deps } from "../../platform/deps.ts"
import { getEndpoint } from "../endpoints/endpoint.ts"
import { type EventFilter, type EventWithPayload, getEvent } from "../events/event.ts"
import { notFound } from "../kit/errors.ts"
import type { PageRequest } from "../kit/page.ts"
import { allOf, hasChannel, isAmong, type Scan, type ScannedPage, scanPage } from "../kit/scan.ts"

const shape = shapeOf(attempts)

export type AttemptRecord = typeof attempts.$inferSelect

/**
 * Where attempts are: the first one of a delivery in the delivery's row, if it was made while the event was
 * dispatched, and all others in rows of their own. Each kind is a table `a`, walked by the attempt's id.
 */
export const KINDS = {
  first: {
    table: sql`deliveries a`,
    byEndpoint: sql`deliveries_by_endpoint`,
    place: [sql`a.event_id`, sql`a.endpoint_id`],
    id: sql`a.attempt_id`,
    isMade: sql`a.attempted_at IS NOT NULL`,
    at: sql`a.attempted_at`,
    own: sql`a.attempt_id AS id, 'scheduled' AS trigger, a.attempted_at AS created_at`,
  },
  later: {
    table: sql`attempts a`,
    byEndpoint: sql`attempts_by_endpoint`,
    place: [sql`a.event_id`, sql`a.id`],
    id: sql`a.id`,
    isMade: sql`a.trigger <> 'ping'`,
    at: sql`a.created_at`,
    own: sql`a.id, a.trigger, a.created_at`,
  },
} as const
export type Kind = (typeof KINDS)[keyof typeof KINDS]

/** What is read of an attempt's contents: its answer's body, and the headers of both sides too. */
type Contents = "none" | "body" | "all"

/** The columns of an attempt, whatever kind `a` is; of its contents only what is asked for. */
function columnsOf(kind: Kind, contents: Contents): SQL {
  const body = contents === "none" ? sql`NULL AS body` : sql`a.body`
  const headers = contents === "all" ? sql`a.headers` : sql`NULL AS headers`
  return sql`${kind.own}, a.event_id, a.endpoint_id, a.application_id, a.url, a.status_code, a.status_text,
    a.error, a.duration_ms, a.body_encoding, a.body_truncated, ${body}, ${headers}`
}

/**
 * Selects the attempts of events, pings among them, for which the condition on `a` and
 * the attempt's id holds.
 */
export function selectAttempts(condition: (id: SQL) => SQL): SQL {
  const { first, later } = KINDS
  return sql`
    SELECT ${columnsOf(first, "all")} FROM ${first.table} WHERE ${condition(first.id)} AND ${first.isMade}
    UNION ALL
    SELECT ${columnsOf(later, "all")} FROM ${later.table} WHERE ${condition(later.id)}`
}

/** What `selectAttempts` has selected. */
export const readAttempt = shape.read

/** One attempt of the application's event, named by its id or uid; refuses with `not_found`. */
export async function getAttempt(
  deps: Deps,
  applicationId: string,
  eventIdOrUid: string,
  id: string,
): Promise<AttemptRecord> {
  return (await getExchange(deps, applicationId, eventIdOrUid, id)).attempt
}

/** The same, with the event whose payload was sent. */
export async function getExchange(
  deps: Deps,
  applicationId: string,
  eventIdOrUid: string,
  id: string,
): Promise<{ attempt: AttemptRecord; event: EventWithPayload }> {
  const event = await getEvent(deps, applicationId, eventIdOrUid)
  const [row] = await deps
    .shardOf(applicationId)
    .read(selectAttempts((ownId) => sql`a.event_id = ${event.id} AND ${ownId} = ${id}`))
  if (!row) throw notFound("Attempt")
  return { attempt: readAttempt(row), event }
}

/** Forgets what a receiver answered to an attempt. Refuses with `not_found`. */
export async function expungeAttempt(
  deps: Deps,
  applicationId: string,
  eventIdOrUid: string,
  id: string,
): Promise<void> {
  const { eventId, endpointId } = await getAttempt(deps, applicationId, eventIdOrUid, id)
  const forgotten = sql`
    SET body = NULL, body_truncated = 0, headers = json_set(headers, '$.received', NULL) WHERE event_id = ${eventId}`
  await deps.shardOf(applicationId).batch({
    first: sql`UPDATE deliveries ${forgotten} AND endpoint_id = ${endpointId} AND attempt_id = ${id}`,
    later: sql`UPDATE attempts ${forgotten} AND id = ${id}`,
  })
}

export interface AttemptFilter extends Omit<EventFilter, "withPayload"> {
  /** Whether the receiver took it; null: of neither kind, which no attempt is that is over. */
  delivered?: boolean | null | undefined
  /** The hundred of the status code; 0 when there was no answer. */
  statusClass?: number | undefined
  withBody: boolean
}

/**
 * The attempts made to an endpoint, newest first, pings left out; a page may be short of its limit (scan.ts).
 */
export async function listEndpointAttempts(
  deps: Deps,
  applicationId: string,
  endpointIdOrUid: string,
  request: PageRequest,
  filter: AttemptFilter,
): Promise<ScannedPage<AttemptRecord>> {
  const { id } = await getEndpoint(deps, applicationId, endpointIdOrUid)
  const scans = [KINDS.first, KINDS.later].map((kind) =>
    scanOf(kind, applicationId, sql`a.endpoint_id = ${id}`, filter),
  )
  return readPage(await scanPage(deps.shardOf(applicationId), request, ...scans))
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
  // What was fanned out was attempted later, and its deliveries are too many to be sorted.
  const kinds = event.fannedOut ? [KINDS.later] : [KINDS.first, KINDS.later]
  const scans = kinds.map((kind) => scanOf(kind, applicationId, sql`a.event_id = ${event.id}`, filter, only))
  return readPage(await scanPage(deps.shardOf(applicationId), request, ...scans))
}

function scanOf(kind: Kind, applicationId: string, owner: SQL, filter: AttemptFilter, only?: SQL): Scan {
  const ofEvent = filter.channel !== undefined || filter.eventTypes !== undefined
  return {
    table: kind.table,
    place: kind.place,
    owner,
    key: kind.id,
    from: filter.since === undefined ? undefined : idAt("attempt", filter.since),
    below: filter.before === undefined ? undefined : idAt("attempt", filter.before),
    joins: ofEvent
      ? sql`CROSS JOIN events t ON t.application_id = ${applicationId} AND t.id = a.event_id`
      : sql``,
    filter: allOf(
      kind.isMade,
      only,
      isAmong(sql`t.event_type`, filter.eventTypes),
      hasChannel(sql`t.channels`, filter.channel),
      hasResult(filter.delivered),
      hasStatusClass(filter.statusClass),
    ),
    columns: columnsOf(kind, filter.withBody ? "body" : "none"),
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
  return { ...page, rows: page.rows.map(readAttempt) }
}
