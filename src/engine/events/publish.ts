import { type SQL, sql } from "drizzle-orm"

import type { Batch, Db, Row, Statement } from "../../db/client.ts"
import { newId } from "../../db/ids.ts"
import type { Deps } from "../../platform/deps.ts"
import { CATALOG } from "../applications/built-in.ts"
import { EngineError, notFound } from "../kit/errors.ts"
import { isKeyUsed } from "../kit/idempotency.ts"
import { doneAtOnce } from "../pipeline/interest.ts"
import { type EventKey, enqueueDispatch } from "../pipeline/jobs.ts"
import { requireSpace } from "../upkeep/space.ts"

export const MAX_PAYLOAD_BYTES = 256 * 1024
/** The event type that needs no making: a directed event to try an endpoint with. */
export const PING_TYPE = "svix.ping"

export interface Publication {
  applicationId: string
  /** Made by the caller where `statements` are to name the event; else made here. */
  eventId?: string
  /** The event type's name. */
  eventType: string
  /** The exact bytes that receivers get. */
  payload: string
  /** What the payload is; JSON if not given. */
  contentType?: string | null
  /** Whether a type of the catalog counts where the application has none of this name. */
  catalog?: boolean
  /** The publisher's own id for the event. */
  uid?: string | null
  /** When it happened, epoch ms; now if not given. */
  at?: number
  /** Owed to this endpoint alone, whatever it subscribes to. */
  endpointId?: string
  channels?: readonly string[] | null
  /** When the payload is forgotten (epoch ms), if before the event itself. */
  payloadExpiresAt?: number | null
  /** The family's own statements: they take part in the batch, ahead of the event. Must be safe to repeat. */
  statements?: readonly Statement[]
  /** The event happens only if this holds after `statements`; it should recognise the caller's own row by id. */
  onlyIf?: SQL
  /** Behind the event, last in the batch: what keeps the answer, say. Must be safe to repeat. */
  closing?: readonly Statement[]
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
 * Refuses with `not_found` (event type), `conflict` (uid), `payload_too_large` or `storage_full`; then there is
 * no event.
 */
export async function publish(deps: Deps, publication: Publication): Promise<Published> {
  const { applicationId, eventType, payload, uid = null, statements = [] } = publication
  const db = deps.database(applicationId)
  if (new TextEncoder().encode(payload).byteLength > MAX_PAYLOAD_BYTES) {
    throw new EngineError("payload_too_large", `A payload has at most ${MAX_PAYLOAD_BYTES} bytes`)
  }
  await requireSpace(deps, applicationId)
  const now = publication.at ?? deps.clock.now()
  const id = publication.eventId ?? newId("event", now)
  const channels = publication.channels ? JSON.stringify(publication.channels) : null
  const type = eventTypeFor(applicationId, eventType, publication.catalog ?? false)
  const domain = Object.fromEntries(statements.map((statement, index) => [`domain${index}`, statement]))
  const key = { applicationId, eventId: id }
  const batch = {
    ...domain,
    event: sql`
      INSERT INTO events (id, application_id, event_type_id, event_type, uid, endpoint_id, channels, created_at,
        dispatched_at, payload_expires_at, payload, content_type)
      SELECT v.id, v.application_id, v.event_type_id, v.event_type, ${uid}, v.endpoint_id, v.channels, v.created_at,
        ${doneAtOnce(now)}, ${publication.payloadExpiresAt ?? null}, ${payload},
        ${publication.contentType ?? null}
      FROM (
        SELECT ${id} AS id, ${applicationId} AS application_id, t.id AS event_type_id, t.name AS event_type,
          ${publication.endpointId ?? null} AS endpoint_id, ${channels} AS channels, ${now} AS created_at,
          NULL AS fanout_cursor
        FROM (${type}) t
      ) v
      WHERE ${publication.onlyIf ?? sql`true`}
      ON CONFLICT DO NOTHING RETURNING dispatched_at`,
    closing: publication.closing ?? [],
  } satisfies Batch
  const done: Record<string, Row[]> = await db.batch(batch).catch(async (error: unknown) => {
    // A batch that keeps its answer and is repeated breaks on the key that it has used itself.
    const own = isKeyUsed(error) ? await findOwn(db, key) : undefined
    if (!own) throw error
    return { event: [own] }
  })
  const rows = statements.map((_, index) => done[`domain${index}`] ?? [])
  const written = done.event?.at(0) ?? (await whyNotWritten(db, key, uid, type, eventType))
  if (written === null) return { eventId: null, rows }
  if (written.dispatched_at === null) await enqueueDispatch(deps, db, [key])
  return { eventId: id, rows }
}

/**
 * The event after all, if the answer to the try that wrote it was lost; null when the publication's own condition did
 * not hold. Refuses for whatever else has kept it from being written.
 */
async function whyNotWritten(
  db: Db,
  key: EventKey,
  uid: string | null,
  type: SQL,
  eventType: string,
): Promise<Row | null> {
  const { own, known, rivals } = await db.batch({
    own: selectOwn(key),
    known: type,
    rivals: rivalOf(key.applicationId, uid, key.eventId),
  })
  if (rivals.length > 0) throw new EngineError("conflict", `There is an event with the id '${uid}' already`)
  if (known.length === 0) throw notFound(`Event type '${eventType}'`)
  return own.at(0) ?? null
}

async function findOwn(db: Db, key: EventKey): Promise<Row | undefined> {
  return (await db.read(selectOwn(key)))[0]
}

function selectOwn({ applicationId, eventId }: EventKey): SQL {
  return sql`SELECT dispatched_at FROM events WHERE application_id = ${applicationId} AND id = ${eventId}`
}

/** Selects another event of the application that has this uid. */
export function rivalOf(applicationId: string, uid: string | null, id: string): SQL {
  return sql`SELECT 1 FROM events WHERE application_id = ${applicationId} AND uid = ${uid} AND id <> ${id}`
}

/** The one event type of this name: the application's own first, then the catalog's if that counts. */
function eventTypeFor(applicationId: string, name: string, catalog: boolean): SQL {
  // What everybody may send to try an endpoint is in nobody's catalog.
  if (name === PING_TYPE && catalog) return sql`SELECT 'ety_ping' AS id, ${name} AS name`
  const owners = catalog ? sql`(${applicationId}, ${CATALOG})` : sql`(${applicationId})`
  return sql`
    SELECT id, name FROM event_types WHERE application_id IN ${owners} AND name = ${name}
    ORDER BY application_id = ${CATALOG} LIMIT 1`
}
