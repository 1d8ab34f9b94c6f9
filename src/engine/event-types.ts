import { and, asc, eq } from "drizzle-orm"

import { eventTypes } from "../db/schema.ts"
import type { Deps } from "../deps.ts"
import { notFound } from "./errors.ts"

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
