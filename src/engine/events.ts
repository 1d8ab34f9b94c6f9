import { and, asc, desc, eq, gt, isNull, lt, type SQL, sql } from "drizzle-orm"

import type { Db, Row, Statement } from "../db/client.ts"
import { newId } from "../db/ids.ts"
import { events } from "../db/schema.ts"
import type { Deps } from "../deps.ts"
import { EngineError, notFound } from "./errors.ts"
import { candidates, DIRECT_LIMIT, isInterested } from "./pipeline/interest.ts"
import { enqueue } from "./pipeline/jobs.ts"
import { readState } from "./system-state.ts"

export const MAX_PAYLOAD_BYTES = 256 * 1024
/** From this share of the database's limit on, nothing new is accepted; deliveries go on. */
const FULL = 0.95

export interface Publication {
  applicationId: string
  /** Made by the caller where `statements` are to name the event; else made here. */
  eventId?: string
  /** The event type's name. */
  eventType: string
  /** The exact bytes that receivers get. */
  payload: string
  /** Owed to this endpoint alone, whatever it subscribes to. */
  endpointId?: string
  channels?: readonly string[]
  /** The family's own statements: they take part in the batch, ahead of the event. Must be safe to repeat. */
  statements?: readonly Statement[]
  /** The event happens only if this holds after `statements`; it should recognise the caller's own row by id. */
  onlyIf?: SQL
}

export interface Published {
  /** Null when `onlyIf` did not hold: then nothing was published. */
  eventId: string | null
  /** What the family's statements returned. */
  rows: Row[][]
}

/**
 * Records an event and the domain rows it belongs to in one batch, then nudges the queue. Once this resolves,
 * the event is delivered or visibly failed, whatever dies; a queue that refuses the nudge only costs time.
 * Refuses with `not_found` (event type), `payload_too_large` or `storage_full`; then nothing is written.
 */
export async function publish(deps: Deps, publication: Publication): Promise<Published> {
  const { applicationId, eventType, payload, statements = [] } = publication
  const db = deps.database(applicationId)
  if (new TextEncoder().encode(payload).byteLength > MAX_PAYLOAD_BYTES) {
    throw new EngineError("payload_too_large", `A payload has at most ${MAX_PAYLOAD_BYTES} bytes`)
  }
  await refuseWhenFull(deps, db)
  const now = deps.clock.now()
  const id = publication.eventId ?? newId("event", now)
  const channels = publication.channels ? JSON.stringify(publication.channels) : null
  const results = await db.batch([
    ...statements,
    sql`
      INSERT INTO events (id, application_id, event_type_id, event_type, endpoint_id, channels, created_at,
        dispatched_at, payload)
      SELECT v.id, v.application_id, v.event_type_id, v.event_type, v.endpoint_id, v.channels, v.created_at,
        ${doneAtOnce(now)}, ${payload}
      FROM (
        SELECT ${id} AS id, t.application_id, t.id AS event_type_id, t.name AS event_type,
          ${publication.endpointId ?? null} AS endpoint_id, ${channels} AS channels, ${now} AS created_at,
          NULL AS fanout_cursor
        FROM event_types t WHERE t.application_id = ${applicationId} AND t.name = ${eventType}
      ) v
      WHERE ${publication.onlyIf ?? sql`true`}
      ON CONFLICT (id) DO NOTHING`,
    sql`SELECT dispatched_at FROM events WHERE id = ${id}`,
    sql`SELECT 1 FROM event_types WHERE application_id = ${applicationId} AND name = ${eventType}`,
  ])
  const [, written = [], known = []] = results.slice(statements.length)
  if (known.length === 0) throw notFound(`Event type '${eventType}'`)
  const rows = results.slice(0, statements.length)
  const event = written.at(0)
  if (!event) return { eventId: null, rows }
  if (event.dispatched_at === null) await enqueue(deps, { kind: "dispatch", applicationId, eventId: id })
  return { eventId: id, rows }
}

/** Refuses with `storage_full` while the database takes no more events; for what is published later. */
export async function refuseWhenFull(deps: Deps, db: Db): Promise<void> {
  // An isolate that has not asked this database anything yet goes by what the last sweep saw.
  const bytes = db.sizeBytes() || (await readState(db, "database_bytes"))
  if (bytes > FULL * deps.config.databaseLimitBytes) {
    throw new EngineError(
      "storage_full",
      "The database is full: shorten RETENTION_DAYS or wait until events expire",
    )
  }
}

/** When the event `v` counts as dispatched from the start: now, if nobody is interested; else null. */
function doneAtOnce(now: number): SQL {
  const page = candidates(DIRECT_LIMIT + 1)
  return sql`CASE WHEN (SELECT count(*) FROM (${page})) > ${DIRECT_LIMIT} OR EXISTS (
    SELECT 1 FROM endpoints e WHERE e.id IN (SELECT id FROM (${page})) AND ${isInterested}
  ) THEN NULL ELSE ${now} END`
}

export interface Event {
  id: string
  eventType: string
  endpointId: string | null
  createdAt: number
  /** Null while its deliveries are still to be made. */
  dispatchedAt: number | null
  failure: "internal" | null
}

const eventColumns = {
  id: events.id,
  eventType: events.eventType,
  endpointId: events.endpointId,
  createdAt: events.createdAt,
  dispatchedAt: events.dispatchedAt,
  failure: events.failure,
}

/** One event of the application with its payload (null once expunged); refuses with `not_found`. */
export async function getEvent(
  deps: Deps,
  applicationId: string,
  id: string,
): Promise<Event & { payload: string | null }> {
  const event = await deps
    .database(applicationId)
    .orm.select({ ...eventColumns, payload: events.payload })
    .from(events)
    .where(and(eq(events.applicationId, applicationId), eq(events.id, id)))
    .get()
  if (!event) throw notFound("Event")
  return event
}

export interface Page {
  limit: number
  /** The id that the last page ended with. */
  after?: string
  order?: "oldest" | "newest"
}

/** The application's events, pings left out, a page at a time in the order of their ids. */
export function listEvents(deps: Deps, applicationId: string, page: Page): Promise<Event[]> {
  const newest = page.order !== "oldest"
  const behind = page.after === undefined ? undefined : (newest ? lt : gt)(events.id, page.after)
  return deps
    .database(applicationId)
    .orm.select(eventColumns)
    .from(events)
    .where(and(eq(events.applicationId, applicationId), isNull(events.pingId), behind))
    .orderBy((newest ? desc : asc)(events.id))
    .limit(page.limit)
}
