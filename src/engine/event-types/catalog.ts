import { type SQL, sql } from "drizzle-orm"

import { newId } from "../../db/ids.ts"
import { eventTypes } from "../../db/schema/event-types.ts"
import { shapeOf } from "../../db/shape.ts"
import type { Deps } from "../../platform/deps.ts"
import { CATALOG, type OPERATIONS } from "../applications/built-in.ts"
import { isDirectory } from "../applications/copies.ts"
import { type Change, setOf } from "../kit/change.ts"
import { EngineError, notFound } from "../kit/errors.ts"
import type { Remember } from "../kit/idempotency.ts"
import type { Page, PageRequest } from "../kit/page.ts"
import { scanPage } from "../kit/scan.ts"
import { requireSpace } from "../upkeep/space.ts"
import { isVisible, MAX_EVENT_TYPES, type Sight, tooManyTypes } from "./event-type.ts"

export interface CatalogSettings {
  description: string
  /** JSON schemas of the payload, one a version. */
  schemas: Record<string, Record<string, unknown>> | null
  /** Whether events that do not fit the newest schema are refused. */
  enforceSchema: boolean
  featureFlag: string | null
  archived: boolean
  deprecated: boolean
}

/** An event type that every application made through the management API shares. */
export interface CatalogType extends CatalogSettings {
  id: string
  name: string
  createdAt: number
  updatedAt: number
}

const shape = shapeOf(
  eventTypes,
  "id",
  "name",
  "description",
  "schemas",
  "enforceSchema",
  "featureFlag",
  "archived",
  "deprecated",
  "createdAt",
  "updatedAt",
)

const TAKEN = "There is an event type of this name already"

/**
 * Whose event types: the catalog's, or the operational ones of `operations`, which are
 * read and never changed.
 */
export type TypeOwner = typeof CATALOG | typeof OPERATIONS

/** Which types of an owner somebody wants to see. */
export interface Wanted extends Sight {
  /** Archived ones as well. */
  archived: boolean
  /** The part of the name before its first dot. */
  group?: string | undefined
  /** A part of the name or of the description, whatever the case of ASCII letters. */
  search?: string | undefined
}

/**
 * The owner's event types by name, a page at a time, which may be short of its limit; the
 * page's cursor is a name.
 */
export async function listTypes(
  deps: Deps,
  owner: TypeOwner,
  request: PageRequest,
  { archived, group, search, ...sight }: Wanted,
): Promise<Page<CatalogType>> {
  const { rows, done } = await scanPage(deps.directory, request, {
    table: sql`event_types`,
    place: [sql`event_types.application_id`, sql`event_types.name`],
    owner: sql`event_types.application_id = ${owner} AND ${isVisible(sql`event_types`, sight)}
      AND ${archived ? sql`true` : sql`NOT event_types.archived`}`,
    key: sql`event_types.name`,
    // An owner has fewer types than a page looks at: none of them is missed.
    filter: wantedOf({ group, search }),
    columns: shape.columns("event_types"),
    bytes: sql`octet_length(event_types.description) + coalesce(octet_length(event_types.schemas), 0)`,
  })
  return { rows: rows.map(shape.read), done }
}

function wantedOf({ group, search }: Pick<Wanted, "group" | "search">): SQL | undefined {
  const conditions = [
    ...(group === undefined ? [] : [isOfGroup(group)]),
    ...(search === undefined ? [] : [mentions(search)]),
  ]
  return conditions.length === 0 ? undefined : sql.join(conditions, sql` AND `)
}

function isOfGroup(group: string): SQL {
  const beginning = `${group}.`
  return sql`substr(event_types.name || '.', 1, ${beginning.length}) = ${beginning}`
}

function mentions(search: string): SQL {
  return sql`instr(lower(event_types.name || char(10) || event_types.description), lower(${search})) > 0`
}

/**
 * The event type of this name that the first of the owners has, archived ones included;
 * refuses with `not_found`.
 */
export async function getType(
  deps: Deps,
  owners: readonly TypeOwner[],
  name: string,
  sight: Sight = {},
): Promise<CatalogType> {
  const rows = await deps.directory.read(sql`
    SELECT ${shape.columns("event_types")} FROM json_each(${JSON.stringify(owners)}) o
    JOIN event_types ON event_types.application_id = o.value AND event_types.name = ${name}
    WHERE ${isVisible(sql`event_types`, sight)} ORDER BY o.key LIMIT 1`)
  const row = rows.at(0)
  if (!row) throw notFound(`Event type '${name}'`)
  return shape.read(row)
}

function getCatalogType(deps: Deps, name: string): Promise<CatalogType> {
  return getType(deps, [CATALOG], name)
}

async function findCatalogType(deps: Deps, name: string): Promise<CatalogType | undefined> {
  const [row] = await deps.directory.read(sql`
    SELECT ${shape.columns("event_types")} FROM event_types WHERE ${isNamed(name)}`)
  return row && shape.read(row)
}

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
    WHERE EXISTS (SELECT 1 FROM event_types WHERE ${isNamed(type.name)})
      OR (SELECT count(*) FROM event_types WHERE application_id = ${CATALOG}) < ${MAX_EVENT_TYPES}
    ON CONFLICT (application_id, name) DO UPDATE SET description = excluded.description,
      schemas = excluded.schemas, enforce_schema = excluded.enforce_schema, feature_flag = excluded.feature_flag,
      archived = excluded.archived, deprecated = excluded.deprecated, updated_at = excluded.updated_at
    WHERE ${overwrites}`
}

function isNamed(name: string): SQL {
  return sql`event_types.application_id = ${CATALOG} AND event_types.name = ${name}`
}

/** True of a row with this very content: what a batch that was repeated recognises as its own. */
function isAs(type: CatalogType): SQL {
  const schemas = type.schemas && JSON.stringify(type.schemas)
  return sql`
    id = ${type.id} AND updated_at = ${type.updatedAt} AND description = ${type.description}
    AND schemas IS ${schemas} AND feature_flag IS ${type.featureFlag} AND archived = ${Number(type.archived)}
    AND deprecated = ${Number(type.deprecated)} AND enforce_schema = ${Number(type.enforceSchema)}`
}
