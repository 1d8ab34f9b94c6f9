import { sql } from "drizzle-orm"

import type { Deps } from "../../platform/deps.ts"
import { CATALOG } from "../applications/built-in.ts"
import { isVisible, refuseBadTypeName, type Sight } from "../event-types/event-type.ts"
import { misfit, newestSchema } from "../event-types/schema.ts"
import type { Schema } from "../event-types/schema-flaws.ts"
import { EngineError } from "../kit/errors.ts"
import { parseJson } from "../rules/json.ts"

export interface FoundType {
  id: string
  archived: boolean
  enforceSchema: boolean
  schema: Schema | null
}

/** The application's own type of this name, else the catalog's; null if neither has one for these eyes. */
export async function findType(
  deps: Deps,
  applicationId: string,
  name: string,
  sight: Sight = {},
): Promise<FoundType | null> {
  const [row] = await deps.directory.read(sql`
    SELECT id, archived, enforce_schema, schemas FROM event_types
    WHERE application_id IN (${applicationId}, ${CATALOG}) AND name = ${name}
      AND ${isVisible(sql`event_types`, sight)}
    ORDER BY application_id = ${CATALOG} LIMIT 1`)
  if (!row) return null
  return {
    id: row.id as string,
    archived: row.archived === 1,
    enforceSchema: row.enforce_schema === 1,
    schema: newestSchema(row.schemas === null ? null : JSON.parse(row.schemas as string)),
  }
}

/**
 * Refuses an event that its type, as `findType` found it, does not take, and a new type that may not be made.
 */
export function refuseUnfit(
  deps: Deps,
  { eventType, payload }: { eventType: string; payload: string },
  type: FoundType | null,
): void {
  if (type?.archived) throw archived(eventType)
  if (type?.enforceSchema && type.schema) {
    const value = parseJson(payload)
    const problem = value === undefined ? "It is not JSON." : misfit(type.schema, value)
    if (problem)
      throw new EngineError(
        "invalid",
        `The payload does not fit the schema of '${eventType}': ${problem}`,
        "payload",
      )
  }
  if (isNewType(deps, { eventType }, type)) refuseBadTypeName(CATALOG, eventType)
}

/** Whether an event is the first of its type, which is made along with it. */
export function isNewType(deps: Deps, { eventType }: { eventType: string }, type: FoundType | null): boolean {
  return type === null && !isPing(deps, eventType)
}

/** Whether this is the event type that nobody has to make. */
export function isPing({ wire }: Deps, eventType: string): boolean {
  return eventType === wire.ping.eventType
}

export function archived(eventType: string): EngineError {
  return new EngineError(
    "invalid",
    `Event type '${eventType}' is archived: create it anew to use it again`,
    "eventType",
  )
}
