import { type SQL, sql } from "drizzle-orm"

import { eventTypes } from "../../db/schema/event-types.ts"
import { shapeOf } from "../../db/shape.ts"
import type { Deps } from "../../platform/deps.ts"
import { CATALOG, type OPERATIONS } from "../applications/built-in.ts"
import { notFound } from "../kit/errors.ts"
import type { Page, PageRequest } from "../kit/page.ts"
import { scanPage } from "../kit/scan.ts"
import { isVisible, type Sight } from "./event-type.ts"

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

/** The type of the catalog with this name, archived or not; refuses with `not_found`. */
export function getCatalogType(deps: Deps, name: string): Promise<CatalogType> {
  return getType(deps, [CATALOG], name)
}

/** The same; undefined if there is none. */
export async function findCatalogType(deps: Deps, name: string): Promise<CatalogType | undefined> {
  const [row] = await deps.directory.read(sql`
    SELECT ${shape.columns("event_types")} FROM event_types WHERE ${isNamed(name)}`)
  return row && shape.read(row)
}

/** The condition that a row is the type of the catalog with this name. */
export function isNamed(name: string): SQL {
  return sql`event_types.application_id = ${CATALOG} AND event_types.name = ${name}`
}
