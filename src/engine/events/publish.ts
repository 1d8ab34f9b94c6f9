import { type SQL, sql } from "drizzle-orm"

import type { Batch, Db, Row, Statement } from "../../db/client.ts"
import { newId } from "../../db/ids.ts"
import type { Deps } from "../../platform/deps.ts"
import { idOf, isListed } from "../applications/application.ts"
import { CATALOG } from "../applications/built-in.ts"
import { copyApplication, isDirectory } from "../applications/copies.ts"
import { EngineError, notFound } from "../kit/errors.ts"
import { isKeyUsed } from "../kit/idempotency.ts"
import { doneAtOnce } from "../pipeline/interest.ts"
import { type EventKey, enqueueDispatch } from "../pipeline/jobs.ts"
import { requireSpace } from "../upkeep/space.ts"

export const MAX_PAYLOAD_BYTES = 256 * 1024

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
  /** What is made in the directory for the event: ahead of it, in its batch where both are one database. */
  making?: { statements: readonly Statement[]; onlyIf: SQL } | undefined
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
  const db = deps.shardOf(applicationId)
  refuseTooLarge(payload)
  await requireSpace(deps, applicationId)
  const now = publication.at ?? deps.clock.now()
  const id = publication.eventId ?? newId("event", now)
  const key = { applicationId, eventId: id }
  const selected = eventTypeFor(deps, applicationId, eventType, publication.catalog ?? false)
  const { making } = publication
  const isOne = isDirectory(db)
  if (!isOne && making) await refuseRival(db, key, uid)
  const asked = isOne ? null : await askDirectory(deps, selected, making)
  if (asked && !asked.holds) return { eventId: null, rows: [] }
  const type = asked ? copyOf(asked.type) : selected
  const domain = Object.fromEntries(statements.map((statement, index) => [`domain${index}`, statement]))
  const batch = {
    copies: copyApplication(deps, applicationId),
    made: isOne ? (making?.statements ?? []) : [],
    ...domain,
    event: insertEvent(
      { ...publication, id, at: now },
      sql`SELECT ${applicationId} AS application_id, t.id AS event_type_id, t.name AS event_type FROM (${type}) t`,
      isOne && making ? making.onlyIf : publication.onlyIf,
    ),
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
 * Records an event in one statement, if nothing stands in the way: the application (by id or uid) is there, has this
 * event type or finds it in the catalog, and no event with this uid; the type is not archived and enforces no schema.
 * Null when something does, `onlyIf` among it: then nothing is written, and it takes more to say what. Refuses like
 * `publish`. With several databases the directory is asked first.
 */
export async function publishAtOnce(
  deps: Deps,
  application: string,
  event: Pick<
    Publication,
    "eventType" | "payload" | "contentType" | "uid" | "channels" | "payloadExpiresAt"
  > & {
    id: string
    at: number
  },
  { onlyIf, closing = [] }: Pick<Publication, "onlyIf" | "closing"> = {},
): Promise<EventKey | null> {
  refuseTooLarge(event.payload)
  const found = await findSource(deps, application, event.eventType)
  if (!found) return null
  const { applicationId, source } = found
  await requireSpace(deps, applicationId)
  const db = deps.shardOf(applicationId)
  const { written } = await db
    .batch({
      copies: copyApplication(deps, applicationId),
      written: insertEvent(event, source, onlyIf),
      closing,
    })
    .catch((error: unknown) => {
      // See `publish`: it may be its own key that the repeated batch has broken on.
      if (isKeyUsed(error)) return { written: [] }
      throw error
    })
  const row = written.at(0) ?? (await findWritten(db, application, event.id))
  if (!row) return null
  const key = { applicationId: row.application_id as string, eventId: event.id }
  if (row.dispatched_at === null) await enqueueDispatch(deps, db, [key])
  return key
}

/**
 * Where an event comes from: selects its application and type, both there and with nothing against them. With several
 * databases it is the directory that knows, and says in which one the application is; null if there is no such pair.
 */
async function findSource(
  deps: Deps,
  application: string,
  eventType: string,
): Promise<{ applicationId: string; source: SQL } | null> {
  const selected = (place: SQL) => sql`
    SELECT a.id AS application_id, coalesce(o.id, c.id) AS event_type_id, ${eventType} AS event_type${place}
    FROM applications a
    LEFT JOIN event_types o ON o.application_id = a.id AND o.name = ${eventType}
    LEFT JOIN event_types c ON o.id IS NULL AND c.application_id = ${CATALOG} AND c.name = ${eventType}
    WHERE a.id = (${idOf(application)}) AND ${isListed}
      AND coalesce(o.archived, c.archived) = 0 AND coalesce(o.enforce_schema, c.enforce_schema) = 0`
  if (deps.shards.length === 1) return { applicationId: application, source: selected(sql``) }
  const [row] = await deps.directory.read(selected(sql`, a.uid, a.throttle_rate, a.shard`))
  if (!row) return null
  const applicationId = row.application_id as string
  deps.residents.note({
    id: applicationId,
    uid: row.uid as string | null,
    throttleRate: row.throttle_rate as number | null,
    shard: row.shard as number,
  })
  const source = sql`
    SELECT ${applicationId} AS application_id, ${row.event_type_id} AS event_type_id, ${eventType} AS event_type`
  return { applicationId, source }
}

/** The event after all, if the answer to the try that wrote it was lost. */
async function findWritten(db: Db, application: string, id: string): Promise<Row | undefined> {
  const [row] = await db.read(sql`
    SELECT v.application_id, v.dispatched_at FROM applications a
    CROSS JOIN events v ON v.application_id = a.id AND v.id = ${id}
    WHERE a.id = ${application} OR a.uid = ${application}`)
  return row
}

/**
 * The statement that writes an event of the application and type that `source` selects, if the condition holds; returns
 * it unless it is there already.
 */
function insertEvent(
  event: Pick<
    Publication,
    "payload" | "contentType" | "uid" | "endpointId" | "channels" | "payloadExpiresAt"
  > & { id: string; at: number },
  source: SQL,
  onlyIf = sql`true`,
): SQL {
  const {
    id,
    at,
    payload,
    contentType = null,
    uid = null,
    endpointId = null,
    payloadExpiresAt = null,
  } = event
  const channels = event.channels ? JSON.stringify(event.channels) : null
  return sql`
    INSERT INTO events (id, application_id, event_type_id, event_type, uid, endpoint_id, channels, created_at,
      dispatched_at, payload_expires_at, payload, content_type)
    SELECT ${id}, v.application_id, v.event_type_id, v.event_type, ${uid}, v.endpoint_id, v.channels, v.created_at,
      ${doneAtOnce(at)}, ${payloadExpiresAt}, ${payload}, ${contentType}
    FROM (
      SELECT t.*, ${endpointId} AS endpoint_id, ${channels} AS channels, ${at} AS created_at FROM (${source}) t
    ) v
    WHERE ${onlyIf}
    ON CONFLICT DO NOTHING RETURNING application_id, dispatched_at`
}

/** Refuses with `payload_too_large`. */
export function refuseTooLarge(payload: string): void {
  if (new TextEncoder().encode(payload).byteLength <= MAX_PAYLOAD_BYTES) return
  throw new EngineError("payload_too_large", `A payload has at most ${MAX_PAYLOAD_BYTES} bytes`)
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
  const { own, known, rivals } = await db.readAll({
    own: selectOwn(key),
    known: type,
    rivals: rivalOf(key.applicationId, uid, key.eventId),
  })
  if (rivals.length > 0) throw new EngineError("conflict", `There is an event with the id '${uid}' already`)
  if (known.length === 0) throw notFound(`Event type '${eventType}'`)
  return own.at(0) ?? null
}

/** Refuses with `conflict` an event whose uid another one of the application has. */
export async function refuseRival(
  db: Db,
  { applicationId, eventId }: EventKey,
  uid: string | null,
): Promise<void> {
  const rivals = uid === null ? [] : await db.read(rivalOf(applicationId, uid, eventId))
  if (rivals.length > 0) throw new EngineError("conflict", `There is an event with the id '${uid}' already`)
}

/** Makes in the directory what an event of another shard brings along; answers its type, and whether all is made. */
async function askDirectory(
  deps: Deps,
  selected: SQL,
  making: Publication["making"],
): Promise<{ type: Row | undefined; holds: boolean }> {
  if (making) await requireSpace(deps, CATALOG)
  const { types, holds } = await deps.directory.batch({
    made: making?.statements ?? [],
    types: selected,
    holds: sql`SELECT 1 WHERE ${making?.onlyIf ?? sql`true`}`,
  })
  return { type: types.at(0), holds: holds.length > 0 || types.length === 0 }
}

/** Selects an event type that the directory has answered, in a shard that need not know it. */
function copyOf(type: Row | undefined): SQL {
  return sql`SELECT ${type?.id ?? null} AS id, ${type?.name ?? null} AS name WHERE ${Number(type !== undefined)}`
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

/** Whether this is the event type that nobody has to make. */
export function isPing({ wire }: Deps, eventType: string): boolean {
  return eventType === wire.ping.eventType
}

/** The one event type of this name: the application's own first, then the catalog's if that counts. */
function eventTypeFor(deps: Deps, applicationId: string, name: string, catalog: boolean): SQL {
  // What everybody may send to try an endpoint is in nobody's catalog.
  if (catalog && isPing(deps, name)) return sql`SELECT 'ety_ping' AS id, ${name} AS name`
  const owners = catalog ? sql`(${applicationId}, ${CATALOG})` : sql`(${applicationId})`
  return sql`
    SELECT id, name FROM event_types WHERE application_id IN ${owners} AND name = ${name}
    ORDER BY application_id = ${CATALOG} LIMIT 1`
}
