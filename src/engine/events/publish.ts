import { type SQL, sql } from "drizzle-orm"

import type { Db, Row, Statement } from "../../db/client.ts"
import { newId } from "../../db/ids.ts"
import type { Deps } from "../../platform/deps.ts"
import { CATALOG } from "../applications/built-in.ts"
import { copyApplication, isDirectory } from "../applications/copies.ts"
import { notFound } from "../kit/errors.ts"
import { isKeyUsed } from "../kit/idempotency.ts"
import { type EventKey, enqueueDispatch } from "../pipeline/jobs.ts"
import { requireSpace } from "../upkeep/space.ts"
import { isPing } from "./check.ts"
import { type EventContent, insertEvent, refuseRival, refuseTooLarge, rivalOf, uidTaken } from "./insert.ts"

export interface Publication extends EventContent {
  applicationId: string
  /** Made by the caller where `statements` are to name the event; else made here. */
  eventId?: string
  /** The event type's name. */
  eventType: string
  /** Whether a type of the catalog counts where the application has none of this name. */
  catalog?: boolean
  /** When it happened, epoch ms; now if not given. */
  at?: number
  /**
   * What the directory has to have before there can be the event; made
   * in its batch where both are one database.
   */
  prerequisites?: Prerequisites | undefined
  /** The family's own statements: they take part in the batch, ahead of the event. Must be safe to repeat. */
  statements?: readonly Statement[]
  /**
   * The event happens only if this holds after `statements`; it should recognise the caller's own row by id.
   */
  onlyIf?: SQL
  /** Behind the event, last in the batch: what keeps the answer, say. Must be safe to repeat. */
  closing?: readonly Statement[]
}

/**
 * What makes the application or the event type that an event is the first to
 * need, and the condition that it is made.
 */
export interface Prerequisites {
  statements: readonly Statement[]
  onlyIf: SQL
}

export interface Published {
  /** Null when `onlyIf` did not hold: then nothing was published. */
  eventId: string | null
  /** What the family's statements returned. */
  rows: Row[][]
}

/**
 * Records an event and the domain rows it belongs to in one batch, then nudges the queue. Once
 * this resolves, the event is delivered or visibly failed, whatever dies; a queue that refuses the
 * nudge only costs time. Refuses with `not_found` (event type), `conflict` (uid),
 * `payload_too_large` or `storage_full`; then there is no event.
 */
export async function publish(deps: Deps, publication: Publication): Promise<Published> {
  const { applicationId, payload } = publication
  refuseTooLarge(payload)
  await requireSpace(deps, applicationId)
  const db = deps.shardOf(applicationId)
  const at = publication.at ?? deps.clock.now()
  const key = { applicationId, eventId: publication.eventId ?? newId("event", at) }
  const ready = await getReady(deps, db, key, publication)
  if (ready === null) return { eventId: null, rows: [] }
  const { event, rows } = await write(deps, db, key, { ...publication, ...ready, at })
  const written = event ?? (await whyNotWritten(db, key, publication, ready.type))
  if (written === null) return { eventId: null, rows }
  if (written.dispatched_at === null) await enqueueDispatch(deps, db, [key])
  return { eventId: key.eventId, rows }
}

/** What the event's batch needs to know of the directory. */
interface Ready {
  /** Selects the event type. */
  type: SQL
  /** Prerequisites that the batch itself makes. */
  made: readonly Statement[]
  onlyIf: SQL | undefined
}

/** Asks the directory what the batch cannot, where it is another database; null: there must be no event. */
async function getReady(
  deps: Deps,
  db: Db,
  key: EventKey,
  { eventType, uid = null, catalog = false, prerequisites, onlyIf }: Publication,
): Promise<Ready | null> {
  const type = eventTypeFor(deps, key.applicationId, eventType, catalog)
  if (isDirectory(db)) {
    const { statements: made = [], onlyIf: isMade = onlyIf } = prerequisites ?? {}
    return { type, made, onlyIf: isMade }
  }
  if (prerequisites) await refuseRival(db, key, uid)
  const asked = await askDirectory(deps, type, prerequisites)
  return asked.holds ? { type: copyOf(asked.type), made: [], onlyIf } : null
}

/** Runs the batch. Answers the event if it was written now, and what the family's statements returned. */
async function write(
  deps: Deps,
  db: Db,
  key: EventKey,
  {
    type,
    made,
    statements = [],
    onlyIf,
    closing = [],
    at,
    ...content
  }: Omit<Publication, "onlyIf"> & Ready & { at: number },
): Promise<{ event: Row | undefined; rows: Row[][] }> {
  const { applicationId, eventId } = key
  const source = sql`
    SELECT ${applicationId} AS application_id, t.id AS event_type_id, t.name AS event_type FROM (${type}) t`
  const family = Object.fromEntries(statements.map((statement, index) => [`family${index}`, statement]))
  const batch = {
    copies: copyApplication(deps, applicationId),
    made,
    ...family,
    event: insertEvent({ ...content, id: eventId, at }, source, onlyIf),
    closing,
  }
  const done: Record<string, Row[]> = await db.batch(batch).catch(async (error: unknown) => {
    // A batch that keeps its answer and is repeated breaks on the key that it has used itself.
    const own = isKeyUsed(error) ? await findOwn(db, key) : undefined
    if (!own) throw error
    return { event: [own] }
  })
  return { event: done.event?.at(0), rows: statements.map((_, index) => done[`family${index}`] ?? []) }
}

/**
 * The event after all, if the answer to the try that wrote it was lost; null when the publication's own
 * condition did not hold. Refuses for whatever else has kept it from being written.
 */
async function whyNotWritten(
  db: Db,
  key: EventKey,
  { uid = null, eventType }: Publication,
  type: SQL,
): Promise<Row | null> {
  const { own, known, rivals } = await db.readAll({
    own: selectOwn(key),
    known: type,
    rivals: rivalOf(key.applicationId, uid, key.eventId),
  })
  if (rivals.length > 0) throw uidTaken(uid)
  if (known.length === 0) throw notFound(`Event type '${eventType}'`)
  return own.at(0) ?? null
}

/** Makes the prerequisites of an event of another shard; answers its type, and whether all is made. */
async function askDirectory(
  deps: Deps,
  type: SQL,
  prerequisites: Prerequisites | undefined,
): Promise<{ type: Row | undefined; holds: boolean }> {
  if (prerequisites) await requireSpace(deps, CATALOG)
  const { types, holds } = await deps.directory.batch({
    made: prerequisites?.statements ?? [],
    types: type,
    holds: sql`SELECT 1 WHERE ${prerequisites?.onlyIf ?? sql`true`}`,
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

/** The one event type of this name: the application's own first, then the catalog's if that counts. */
function eventTypeFor(deps: Deps, applicationId: string, name: string, catalog: boolean): SQL {
  // What everybody may send to try an endpoint is in nobody's catalog.
  if (catalog && isPing(deps, name)) return sql`SELECT 'ety_ping' AS id, ${name} AS name`
  const owners = catalog ? sql`(${applicationId}, ${CATALOG})` : sql`(${applicationId})`
  return sql`
    SELECT id, name FROM event_types WHERE application_id IN ${owners} AND name = ${name}
    ORDER BY application_id = ${CATALOG} LIMIT 1`
}
