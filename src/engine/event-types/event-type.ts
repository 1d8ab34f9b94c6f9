import { type SQL, sql } from "drizzle-orm"

import type { Db } from "../../db/client.ts"
import { newId } from "../../db/ids.ts"
import { eventTypes } from "../../db/schema/event-types.ts"
import { shapeOf } from "../../db/shape.ts"
import type { Deps } from "../../platform/deps.ts"
import { CATALOG } from "../applications/built-in.ts"
import { EngineError, notFound } from "../kit/errors.ts"
import { isNameable } from "../rules/names.ts"

/** Event types that one application may have. */
export const MAX_EVENT_TYPES = 1000

const shape = shapeOf(eventTypes, "id", "name", "label", "description")

export type EventType = ReturnType<typeof shape.read>

/** The application's event types in the order they were made. */
export async function listEventTypes(deps: Deps, applicationId: string): Promise<EventType[]> {
  const rows = await deps.shardOf(applicationId).read(sql`
    SELECT ${shape.columns("t")} FROM event_types t
    WHERE t.application_id = ${applicationId} ORDER BY t.created_at, t.id`)
  return rows.map(shape.read)
}

/** One event type by its exact name; refuses with `not_found`. */
export async function getEventType(deps: Deps, applicationId: string, name: string): Promise<EventType> {
  const [row] = await deps.shardOf(applicationId).read(sql`
    SELECT ${shape.columns("t")} FROM event_types t
    WHERE t.application_id = ${applicationId} AND t.name = ${name}`)
  if (!row) throw notFound(`Event type '${name}'`)
  return shape.read(row)
}

/** Whose eyes a type behind a feature flag is for: those who have the flag; without `flags`, everybody's. */
export interface Sight {
  flags?: readonly string[]
}

/** The condition that an event type is for these eyes. */
export function isVisible(types: SQL, { flags }: Sight): SQL {
  if (flags === undefined) return sql`true`
  return sql`(${types}.feature_flag IS NULL
    OR ${types}.feature_flag IN (SELECT value FROM json_each(${JSON.stringify(flags)})))`
}

/**
 * The event types of these names that an endpoint of the application may subscribe to: the application's
 * own first, then the catalog's. Archived ones, and those that are not for these eyes, are left to the
 * endpoint that has them. Refuses with `invalid` and the names that are unknown or archived; of those out
 * of sight it says the same.
 */
export async function resolveEventTypes(
  deps: Deps,
  applicationId: string,
  names: readonly string[],
  { endpointId = null, sight = {} }: { endpointId?: string | null; sight?: Sight | undefined } = {},
): Promise<{ id: string; name: string }[]> {
  const known = await deps.directory.read(sql`
    SELECT t.id, t.name, NOT t.archived AND ${isVisible(sql`t`, sight)} AS offered
    FROM json_each(${JSON.stringify(names)}) wanted
    JOIN event_types t ON t.name = wanted.value AND t.application_id IN (${applicationId}, ${CATALOG})
    ORDER BY t.application_id = ${CATALOG} DESC`)
  const others = known.filter((row) => row.offered !== 1).map((row) => row.id as string)
  const had = await subscribedAmong(deps.shardOf(applicationId), endpointId, others)
  const rows = known.filter((row) => row.offered === 1 || had.has(row.id as string))
  // The application's own come last and stay.
  const byName = new Map(rows.map((row) => [row.name as string, row.id as string]))
  const missing = names.filter((name) => !byName.has(name))
  if (missing.length > 0) {
    throw new EngineError(
      "invalid",
      `These event types do not exist, or are archived: ${missing.join(", ")}`,
      "eventTypes",
    )
  }
  return [...byName].map(([name, id]) => ({ id, name }))
}

/** Which of the event types the endpoint subscribes to. */
async function subscribedAmong(
  db: Db,
  endpointId: string | null,
  ids: readonly string[],
): Promise<ReadonlySet<string>> {
  if (endpointId === null || ids.length === 0) return new Set()
  const rows = await db.read(sql`
    SELECT event_type_id FROM subscriptions
    WHERE endpoint_id = ${endpointId} AND event_type_id IN (SELECT value FROM json_each(${JSON.stringify(ids)}))`)
  return new Set(rows.map((row) => row.event_type_id as string))
}

/** Refuses a name that a new event type of the application may not have. */
export function refuseBadTypeName(applicationId: string, name: string): void {
  if (applicationId === CATALOG && name.startsWith("-")) {
    throw new EngineError("invalid", "A new event type's name must not begin with a dash", "eventType")
  }
  if (!isNameable(name)) {
    throw new EngineError("invalid", 'An event type must not be named "." or ".."', "eventType")
  }
}

/**
 * The statement that adds an event type, if the condition holds and there is room,
 * unless there is one already.
 */
export function insertEventType(deps: Deps, applicationId: string, name: string, onlyIf: SQL): SQL {
  const now = deps.clock.now()
  return sql`
    INSERT INTO event_types (id, application_id, name, created_at, updated_at)
    SELECT ${newId("eventType", now)}, ${applicationId}, ${name}, ${now}, ${now}
    WHERE ${hasRoomFor(applicationId, name)} AND ${onlyIf}
    ON CONFLICT DO NOTHING`
}

/** The condition that the application has this event type, or may have one more. */
export function hasRoomFor(applicationId: string, name: string): SQL {
  return sql`(EXISTS (SELECT 1 FROM event_types WHERE application_id = ${applicationId} AND name = ${name})
    OR (SELECT count(*) FROM event_types WHERE application_id = ${applicationId}) < ${MAX_EVENT_TYPES})`
}

export function tooManyTypes(): EngineError {
  return new EngineError("limit_reached", `There are ${MAX_EVENT_TYPES} event types already: use one of them`)
}
