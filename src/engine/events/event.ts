import { sql } from "drizzle-orm"
import type { Row } from "../../db/client.ts"
import { idAt } from "../../db/ids.ts"
import { literal } from "../../db/literal.ts"
import type { Deps } from "../../platform/deps.ts"
import { notFound } from "../kit/errors.ts"
import type { PageRequest } from "../kit/page.ts"
import { allOf, hasChannel, isAmong, type ScannedPage, scanPage } from "../kit/scan.ts"
import { refreshDueAt } from "../pipeline/due.ts"

/** Deliveries that one statement ends; more than that end when they come due. */
const ENDED_AT_ONCE = 2000

export interface Event {
  id: string
  uid: string | null
  eventType: string
  endpointId: string | null
  channels: string[] | null
  createdAt: number
  /** Null while its deliveries are still to be made. */
  dispatchedAt: number | null
  failure: "internal" | null
}

/** An event with its payload: null once expunged. */
export type EventWithPayload = Event & { payload: string | null }

/**
 * One event of the application by its id or uid, pings left out, and whether it was fanned out in steps;
 * refuses with `not_found`.
 */
export async function getEvent(
  deps: Deps,
  applicationId: string,
  idOrUid: string,
): Promise<EventWithPayload & { fannedOut: boolean }> {
  const [row] = await deps.shardOf(applicationId).read(sql`
    SELECT ${eventColumns}, t.payload, t.fanout_cursor FROM events t
    WHERE t.seq IN (
      SELECT seq FROM events WHERE application_id = ${applicationId} AND id = ${idOrUid}
      UNION ALL SELECT seq FROM events WHERE application_id = ${applicationId} AND uid = ${idOrUid}
    ) AND t.ping_id IS NULL
    ORDER BY t.id = ${idOrUid} DESC LIMIT 1`)
  if (!row) throw notFound("Event")
  return { ...readEvent(row), fannedOut: row.fanout_cursor !== null }
}

/** Forgets an event's payload: what is still pending of it ends as expired. Refuses with `not_found`. */
export async function expungeEvent(deps: Deps, applicationId: string, idOrUid: string): Promise<void> {
  const { id } = await getEvent(deps, applicationId, idOrUid)
  const now = deps.clock.now()
  const most = literal(ENDED_AT_ONCE)
  await deps.shardOf(applicationId).batch({
    forgotten: sql`
      UPDATE events SET payload = NULL, payload_expires_at = NULL
      WHERE application_id = ${applicationId} AND id = ${id}`,
    // What may be being sent right now, and more than one statement may write, ends in the retry lane.
    ended: sql`
      UPDATE deliveries SET status = 'failed', reason = 'expired', next_attempt_at = NULL, ended_at = ${now}
      WHERE event_id = ${id} AND endpoint_id IN (
        SELECT d.endpoint_id FROM deliveries d
        WHERE d.event_id = ${id} AND d.status = 'pending' AND NOT EXISTS (
          SELECT 1 FROM endpoints e
          WHERE e.id = d.endpoint_id AND e.leased_until > ${now} AND d.next_attempt_at <= ${now}
        ) LIMIT ${most}
      )`,
    derived: refreshDueAt(
      sql`SELECT endpoint_id FROM deliveries WHERE event_id = ${id} AND ended_at = ${now} LIMIT ${most}`,
    ),
  })
}

export interface EventFilter {
  channel?: string | undefined
  eventTypes?: readonly string[] | undefined
  /** Only events from this moment on, and only earlier ones than that (epoch ms). */
  since?: number | undefined
  before?: number | undefined
  withPayload: boolean
}

/** The application's events, newest first, pings left out; a page may be short of its limit (scan.ts). */
export async function listEvents(
  deps: Deps,
  applicationId: string,
  request: PageRequest,
  filter: EventFilter,
): Promise<ScannedPage<EventWithPayload>> {
  const page = await scanPage(deps.shardOf(applicationId), request, {
    table: sql`events t`,
    place: [sql`t.seq`],
    owner: sql`t.application_id = ${applicationId}`,
    key: sql`t.id`,
    from: filter.since === undefined ? undefined : idAt("event", filter.since),
    below: filter.before === undefined ? undefined : idAt("event", filter.before),
    filter: allOf(
      sql`t.ping_id IS NULL`,
      isAmong(sql`t.event_type`, filter.eventTypes),
      hasChannel(sql`t.channels`, filter.channel),
    ),
    columns: sql`${eventColumns}, ${filter.withPayload ? sql`t.payload` : sql`NULL AS payload`}`,
    bytes: filter.withPayload ? sql`octet_length(t.payload)` : sql`0`,
  })
  return { ...page, rows: page.rows.map(readEvent) }
}

/** The columns of the event `t` that `readEvent` takes, its payload aside. */
export const eventColumns = sql`t.id, t.uid, t.event_type, t.endpoint_id, t.channels, t.created_at,
  t.dispatched_at, t.failure`

export function readEvent(row: Row): EventWithPayload {
  return {
    id: row.id as string,
    uid: row.uid as string | null,
    eventType: row.event_type as string,
    endpointId: row.endpoint_id as string | null,
    channels: row.channels === null ? null : (JSON.parse(row.channels as string) as string[]),
    createdAt: row.created_at as number,
    dispatchedAt: row.dispatched_at as number | null,
    failure: row.failure as "internal" | null,
    payload: row.payload as string | null,
  }
}
