import { getTableColumns, getTableName, type SQL, sql } from "drizzle-orm"
import { toSnakeCase } from "drizzle-orm/casing"
import type { SQLiteTable } from "drizzle-orm/sqlite-core"

import type { Db, Row } from "../../db/client.ts"
import { inChunks } from "../../db/json.ts"
import { literal } from "../../db/literal.ts"
import { attempts, deliveries } from "../../db/schema/deliveries.ts"
import { endpointHours, endpoints, secrets, subscriptions } from "../../db/schema/endpoints.ts"
import { events } from "../../db/schema/events.ts"
import { idempotencyKeys } from "../../db/schema/idempotency.ts"
import { tasks } from "../../db/schema/tasks.ts"
import { copyTypes } from "./copies.ts"

const ROWS_PER_PAGE = 500
/** Contents that one page holds in memory, and in parameters of the statements that write it. */
const BYTES_PER_PAGE = 4_000_000
/**
 * What copying a page asks of D1 at most: reading it, its types, writing it in
 * parameters of under a megabyte.
 */
export const STATEMENTS_PER_PAGE = 12

/**
 * One table's rows of an application, in the order of `key`, the last columns of an index that
 * begins with the owner.
 */
interface Part {
  table: SQLiteTable
  /** Whose id the first column of `key` is, where a row is found through what owns it. */
  owner?: typeof endpoints | typeof events
  /** The condition on a row `t` that it is the application's, where it names none. */
  isOwned?(applicationId: string): SQL
  key: readonly [string, ...string[]]
  /** The size of a row's contents, where they may be large. */
  bytes?: SQL
}

/**
 * All that an application owns in its shard, owners first. An event comes behind its deliveries: one without
 * any would look to retention as if it owed nothing.
 */
const PARTS: readonly Part[] = [
  { table: endpoints, key: ["id"], bytes: sql`octet_length(t.headers)` },
  { table: secrets, owner: endpoints, key: ["endpoint_id", "id"] },
  { table: subscriptions, owner: endpoints, key: ["endpoint_id", "event_type_id"] },
  { table: endpointHours, owner: endpoints, key: ["endpoint_id", "hour"] },
  { table: deliveries, owner: events, key: ["event_id", "endpoint_id"], bytes: sql`octet_length(t.body)` },
  { table: attempts, owner: events, key: ["event_id", "id"], bytes: sql`octet_length(t.body)` },
  { table: events, key: ["id"], bytes: sql`octet_length(t.payload)` },
  { table: tasks, key: ["id"] },
  {
    table: idempotencyKeys,
    // A scope names whose key it is, and the ids of what it is about.
    isOwned: (id) => sql`instr(t.scope || ' ', ${` ${id} `}) > 0`,
    key: ["scope", "key"],
    bytes: sql`octet_length(t.sealed)`,
  },
]

/** How far a walk through all of it is: within a part, behind the row with this key. */
export interface Place {
  part: number
  behind: readonly string[]
}

export const START: Place = { part: 0, behind: [] }

/** The condition on a shard that rows of the application are arriving there. */
const isArriving = (db: Db, id: string) =>
  sql`EXISTS (SELECT 1 FROM applications WHERE id = ${id} AND moving_to = ${db.shard})`
/**
 * The condition on a shard that the application does not live there: its rows are left behind, or given up.
 */
const isElsewhere = (db: Db, id: string) =>
  sql`NOT EXISTS (SELECT 1 FROM applications WHERE id = ${id} AND shard = ${db.shard} AND moving_to IS NULL)`

/**
 * Copies the next page of what the application owns; answers how far that has led, null: there is
 * nothing more. Rows that are there stay as they are. Writes nothing once the application has
 * arrived, however late this is.
 */
export async function copyPage(
  from: Db,
  to: Db,
  id: string,
  place: Place,
  now: number,
): Promise<Place | null> {
  const part = PARTS[place.part]
  if (!part) return null
  const rows = await from.read(selectPage(part, id, place.behind))
  if (rows.length === 0) return { part: place.part + 1, behind: [] }
  const types = part.table === subscriptions ? await typesOf(from, rows) : []
  await to.batch({
    types: copyTypes(to, types, now),
    rows: inChunks(rows).map((chunk) => insertRows(part, chunk, isArriving(to, id))),
  })
  const last = rows.at(-1) ?? {}
  return { part: place.part, behind: part.key.map((column) => last[column] as string) }
}

/**
 * Deletes a page of what the application owns in a shard where it does not live; false when
 * nothing is left of it.
 */
export async function deletePage(db: Db, id: string): Promise<boolean> {
  for (const part of DELETED) {
    const { gone } = await db.batch({
      gone: sql`
        DELETE FROM ${nameOf(part.table)} AS d WHERE (${list(keyOf(part, "d"))}) IN (
          SELECT ${list(keyOf(part, "t"))} FROM ${walk(part, id)} LIMIT ${literal(ROWS_PER_PAGE)}
        ) AND ${isElsewhere(db, id)} RETURNING 1`,
    })
    if (gone.length > 0) return true
  }
  return false
}

/** Whatever is found through its owner goes before that. */
const DELETED = PARTS.filter(({ table }) => table !== endpoints && table !== events).concat(
  PARTS.filter(({ table }) => table === endpoints || table === events),
)

/** How many rows of each table the application has in a shard. */
export async function countOwned(db: Db, id: string): Promise<number[]> {
  const counts = await db.readAll(
    Object.fromEntries(
      PARTS.map((part) => [getTableName(part.table), sql`SELECT count(*) AS n FROM ${walk(part, id)}`]),
    ),
  )
  return PARTS.map(({ table }) => counts[getTableName(table)]?.at(0)?.n as number)
}

function selectPage(part: Part, id: string, behind: Place["behind"]): SQL {
  const { table, bytes = sql`0` } = part
  const place = placeOf(part)
  const [first] = behind
  const isBehind =
    first === undefined ? sql`` : sql`AND ${place[0]} >= ${first} AND (${list(place)}) > (${list(behind)})`
  const columns = columnsOf(table).map((name) => sql`t.${sql.raw(name)}`)
  const order = keyOf(part, "m")
  return sql`
    WITH page AS (
      SELECT ${list(keyOf(part, "t"))}, coalesce(${bytes}, 0) AS bytes FROM ${walk(part, id)} ${isBehind}
      ORDER BY ${list(place)} LIMIT ${literal(ROWS_PER_PAGE)}
    ),
    measured AS (
      SELECT *, sum(bytes) OVER (ORDER BY ${list(order)} ROWS UNBOUNDED PRECEDING) - bytes AS before FROM page m
    )
    SELECT ${list(columns)} FROM measured m CROSS JOIN ${nameOf(table)} t
      ON ${isOwner(part, id)} AND (${list(keyOf(part, "t"))}) = (${list(order)})
    WHERE m.before < ${literal(BYTES_PER_PAGE)} ORDER BY ${list(order)}`
}

/** The rows `t` of a part, found by an index through their owner `o` where they have one. */
function walk(part: Part, id: string): SQL {
  const { table, owner, key } = part
  if (!owner) return sql`${nameOf(table)} t WHERE ${isOwner(part, id)}`
  const index = owner === events ? sql`events_by_application` : sql`endpoints_by_application`
  return sql`${nameOf(owner)} o INDEXED BY ${index} CROSS JOIN ${nameOf(table)} t ON t.${sql.raw(key[0])} = o.id
    WHERE o.application_id = ${id}`
}

/** The condition on a row `t` that it is the application's; of one that has an owner, its key says enough. */
function isOwner({ owner, isOwned }: Part, id: string): SQL {
  if (owner) return sql`true`
  return isOwned?.(id) ?? sql`t.application_id = ${id}`
}

/** What a walk is ordered by. Only of the owner's own id does the planner know that it comes in order. */
function placeOf(part: Part): readonly [SQL, ...SQL[]] {
  const [first, ...rest] = keyOf(part, "t")
  return [part.owner ? sql`o.id` : first, ...rest]
}

function keyOf({ key: [first, ...rest] }: Part, alias: string): readonly [SQL, ...SQL[]] {
  const of = (column: string) => sql.raw(`${alias}.${column}`)
  return [of(first), ...rest.map(of)]
}

/** The columns of a table, but for the number that each row gets where it is written. */
function columnsOf(table: SQLiteTable): string[] {
  return Object.keys(getTableColumns(table))
    .map(toSnakeCase)
    .filter((name) => name !== "seq")
}

function insertRows({ table }: Part, rows: string, onlyIf: SQL): SQL {
  const columns = columnsOf(table)
  return sql`
    INSERT INTO ${nameOf(table)} (${list(columns.map((name) => sql.raw(name)))})
    SELECT ${list(columns.map((name) => sql`value->>${name}`))} FROM json_each(${rows}) WHERE ${onlyIf}
    ON CONFLICT DO NOTHING`
}

async function typesOf(db: Db, subscribed: readonly Row[]): Promise<{ id: string; name: string }[]> {
  const ids = JSON.stringify([...new Set(subscribed.map((row) => row.event_type_id))])
  const rows = await db.read(sql`
    SELECT id, name FROM event_types WHERE id IN (SELECT value FROM json_each(${ids}))`)
  return rows.map((row) => ({ id: row.id as string, name: row.name as string }))
}

function nameOf(table: SQLiteTable): SQL {
  return sql.raw(getTableName(table))
}

function list(parts: readonly unknown[]): SQL {
  return sql.join(
    parts.map((part) => sql`${part}`),
    sql`, `,
  )
}
