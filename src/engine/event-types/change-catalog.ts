import { type SQL, sql } from "drizzle-orm"

import { newId } from "../../db/ids.ts"
import type { Deps } from "../../platform/deps.ts"
import { CATALOG } from "../applications/built-in.ts"
import { isDirectory } from "../applications/copies.ts"
import { type Change, setOf } from "../kit/change.ts"
import { EngineError } from "../kit/errors.ts"
import type { Remember } from "../kit/idempotency.ts"
import { requireSpace } from "../upkeep/space.ts"
import {
  type CatalogSettings,
  type CatalogType,
  findCatalogType,
  getCatalogType,
  isNamed,
} from "./catalog.ts"
import { hasRoomFor, tooManyTypes } from "./event-type.ts"

const TAKEN = "There is an event type of this name already"

/**
 * Adds an event type to the catalog, or takes an archived one out of the archive with new settings: who
 * subscribed to it before still does. Refuses with `conflict` or `limit_reached`.
 */
export async function createCatalogType(
  deps: Deps,
  name: string,
  settings: CatalogSettings,
  remember?: Remember<CatalogType>,
): Promise<CatalogType> {
  await requireSpace(deps, CATALOG)
  const now = deps.clock.now()
  const before = await findCatalogType(deps, name)
  if (before && !before.archived) throw new EngineError("conflict", TAKEN)
  const { id = newId("eventType", now), createdAt = now } = before ?? {}
  const type: CatalogType = { ...settings, id, name, createdAt, updatedAt: now }
  const written = isAs(type)
  const { found, known } = await deps.directory.batch({
    put: put(type, sql`event_types.id = ${id} AND event_types.archived`),
    found: sql`SELECT 1 FROM event_types WHERE ${written}`,
    known: sql`SELECT 1 FROM event_types WHERE ${isNamed(name)}`,
    remembered: remember
      ? await remember(type, sql`EXISTS (SELECT 1 FROM event_types WHERE ${written})`)
      : null,
  })
  if (found.length > 0) return type
  if (known.length > 0) throw new EngineError("conflict", TAKEN)
  throw tooManyTypes()
}

/** Gives an event type of the catalog these settings, or adds it. Refuses with `limit_reached`. */
export async function replaceCatalogType(
  deps: Deps,
  name: string,
  settings: CatalogSettings,
): Promise<{ type: CatalogType; created: boolean }> {
  await requireSpace(deps, CATALOG)
  const now = deps.clock.now()
  const id = newId("eventType", now)
  await deps.directory.batch({
    put: put({ ...settings, id, name, createdAt: now, updatedAt: now }, sql`true`),
  })
  const type = await findCatalogType(deps, name)
  if (!type) throw tooManyTypes()
  return { type, created: type.id === id }
}

/**
 * Changes what is named of an event type of the catalog; refuses with `not_found`, or with `storage_full`.
 */
export async function changeCatalogType(
  deps: Deps,
  name: string,
  change: Change<CatalogSettings>,
): Promise<CatalogType> {
  const { archived, deprecated, ...texts } = change
  if (Object.values(texts).some((text) => text !== undefined)) await requireSpace(deps, CATALOG)
  const changed = setOf({
    description: change.description,
    schemas: change.schemas && JSON.stringify(change.schemas),
    enforce_schema: change.enforceSchema === undefined ? undefined : Number(change.enforceSchema),
    feature_flag: change.featureFlag,
    archived: change.archived === undefined ? undefined : Number(change.archived),
    deprecated: change.deprecated === undefined ? undefined : Number(change.deprecated),
    updated_at: deps.clock.now(),
  })
  await deps.directory.batch({ changed: sql`UPDATE event_types ${changed} WHERE ${isNamed(name)}` })
  return getCatalogType(deps, name)
}

/**
 * Deletes an event type of the catalog for good; events that were published with it stay. Refuses with
 * `not_found`, and with `conflict` while endpoints subscribe to it: they would silently get less, or nothing.
 */
export async function expungeCatalogType(deps: Deps, name: string): Promise<void> {
  const { id } = await getCatalogType(deps, name)
  // An endpoint that takes every type does not need this one: its old subscription is deleted with the type.
  const subscribers = sql`
    SELECT s.endpoint_id FROM subscriptions s JOIN endpoints e ON e.id = s.endpoint_id
    WHERE s.event_type_id = ${id} AND e.all_event_types_since IS NULL`
  let count = 0
  // The directory comes last: until then a repeated request still finds the type.
  for (const db of deps.shards.toReversed()) {
    if (isDirectory(db) && count > 0) break
    const { left } = await db.batch({
      subscriptions: sql`DELETE FROM subscriptions WHERE event_type_id = ${id} AND NOT EXISTS (${subscribers})`,
      type: sql`DELETE FROM event_types WHERE id = ${id} AND NOT EXISTS (${subscribers})`,
      left: sql`SELECT count(*) AS count FROM (${subscribers})`,
    })
    count += left.at(0)?.count as number
  }
  if (count === 0) return
  throw new EngineError(
    "conflict",
    `${count} endpoint${count === 1 ? " subscribes" : "s subscribe"} to this event type: take it from them first, or archive it`,
  )
}

/** Writes a type that is new while there is room, and over one of the same name where the condition holds. */
function put(type: CatalogType, overwrites: SQL): SQL {
  const schemas = type.schemas && JSON.stringify(type.schemas)
  return sql`
    INSERT INTO event_types (id, application_id, name, description, schemas, enforce_schema, feature_flag, archived,
      deprecated, created_at, updated_at)
    SELECT ${type.id}, ${CATALOG}, ${type.name}, ${type.description}, ${schemas}, ${Number(type.enforceSchema)},
      ${type.featureFlag}, ${Number(type.archived)}, ${Number(type.deprecated)}, ${type.createdAt}, ${type.updatedAt}
    WHERE ${hasRoomFor(CATALOG, type.name)}
    ON CONFLICT (application_id, name) DO UPDATE SET description = excluded.description,
      schemas = excluded.schemas, enforce_schema = excluded.enforce_schema, feature_flag = excluded.feature_flag,
      archived = excluded.archived, deprecated = excluded.deprecated, updated_at = excluded.updated_at
    WHERE ${overwrites}`
}

/** True of a row with this very content: what a batch that was repeated recognises as its own. */
function isAs(type: CatalogType): SQL {
  const schemas = type.schemas && JSON.stringify(type.schemas)
  return sql`
    id = ${type.id} AND updated_at = ${type.updatedAt} AND description = ${type.description}
    AND schemas IS ${schemas} AND feature_flag IS ${type.featureFlag} AND archived = ${Number(type.archived)}
    AND deprecated = ${Number(type.deprecated)} AND enforce_schema = ${Number(type.enforceSchema)}`
}
