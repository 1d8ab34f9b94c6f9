import { type SQL, sql } from "drizzle-orm"

import type { Db, Row } from "../../db/client.ts"
import type { Deps } from "../../platform/deps.ts"
import { idOf, isListed } from "../applications/application.ts"
import { CATALOG } from "../applications/built-in.ts"
import { copyApplication } from "../applications/copies.ts"
import { isKeyUsed } from "../kit/idempotency.ts"
import { type EventKey, enqueueDispatch } from "../pipeline/jobs.ts"
import { requireSpace } from "../upkeep/space.ts"
import { type EventContent, insertEvent, refuseTooLarge } from "./insert.ts"
import type { Publication } from "./publish.ts"

/**
 * Records an event in one statement, if nothing stands in the way: the application (by id or uid) is there,
 * has this event type or finds it in the catalog, and no event with this uid; the type is not archived and
 * enforces no schema. Null when something does, `onlyIf` among it: then nothing is written, and it takes more
 * to say what. Refuses like `publish`. With several databases the directory is asked first.
 */
export async function publishInOneTrip(
  deps: Deps,
  application: string,
  event: Omit<EventContent, "endpointId"> & { eventType: string; id: string; at: number },
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
 * Where an event comes from: selects its application and type, both there and with nothing against
 * them. With several databases it is the directory that knows, and says in which one the
 * application is; null if there is no such pair.
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
