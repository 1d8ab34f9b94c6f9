import { and, asc, eq, sql } from "drizzle-orm"

import { newId } from "../db/ids.ts"
import { eventTypes } from "../db/schema.ts"
import type { Deps } from "../deps.ts"
import { EngineError, notFound } from "./errors.ts"

/** Event types that one application may have. */
export const MAX_EVENT_TYPES = 1000

export interface EventType {
  id: string
  name: string
  label: string | null
  description: string
}

const columns = {
  id: eventTypes.id,
  name: eventTypes.name,
  label: eventTypes.label,
  description: eventTypes.description,
}

/** The application's event types in the order they were made. */
export function listEventTypes(deps: Deps, applicationId: string): Promise<EventType[]> {
  return deps
    .database(applicationId)
    .orm.select(columns)
    .from(eventTypes)
    .where(eq(eventTypes.applicationId, applicationId))
    .orderBy(asc(eventTypes.createdAt), asc(eventTypes.id))
}

/** One event type by its exact name; refuses with `not_found`. */
export async function getEventType(deps: Deps, applicationId: string, name: string): Promise<EventType> {
  const found = await deps
    .database(applicationId)
    .orm.select(columns)
    .from(eventTypes)
    .where(and(eq(eventTypes.applicationId, applicationId), eq(eventTypes.name, name)))
    .get()
  if (!found) throw notFound(`Event type '${name}'`)
  return found
}

/**
 * The application's event type of this name, made if there is none. Two calls at once make one. Refuses with
 * `limit_reached` when the application has all the types it may have.
 */
export async function ensureEventType(deps: Deps, applicationId: string, name: string): Promise<EventType> {
  const now = deps.clock.now()
  const [, found = []] = await deps.database(applicationId).batch([
    sql`
      INSERT INTO event_types (id, application_id, name, created_at, updated_at)
      SELECT ${newId("eventType", now)}, ${applicationId}, ${name}, ${now}, ${now}
      WHERE (SELECT count(*) FROM event_types WHERE application_id = ${applicationId}) < ${MAX_EVENT_TYPES}
      ON CONFLICT DO NOTHING`,
    sql`
      SELECT id, name, label, description FROM event_types
      WHERE application_id = ${applicationId} AND name = ${name}`,
  ])
  const row = found.at(0)
  if (!row) {
    throw new EngineError(
      "limit_reached",
      `There are ${MAX_EVENT_TYPES} event types already: use one of them`,
    )
  }
  return {
    id: row.id as string,
    name: row.name as string,
    label: row.label as string | null,
    description: row.description as string,
  }
}
