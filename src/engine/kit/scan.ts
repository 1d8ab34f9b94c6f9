import { type SQL, sql } from "drizzle-orm"
import type { Db, Row } from "../../db/client.ts"
import { literal } from "../../db/literal.ts"
import { type Page, type PageRequest, walksUp } from "./page.ts"

/**
 * Rows that one call of a list with a filter looks at: a rare kind must not cost a walk through everything.
 */
export const SCANNED_ROWS = 2000
/** Contents that one page holds: what an invocation can keep in memory. */
const MAX_PAGE_BYTES = 8 * 1024 * 1024

/** A list: the rows of one table with the same owner, in the order of `key`, an index of the two at hand. */
export interface Scan {
  /** The table and its alias, such as `events t`. */
  table: SQL
  /** The table's own key, such as `t.seq`: the columns by which a row is found again. */
  place: readonly SQL[]
  /** Conditions on its columns alone: whose rows, and what they are ordered and found by. */
  owner: SQL
  key: SQL
  /** Only keys from here, and only below there. */
  from?: string | undefined
  below?: string | undefined
  /** Further tables. */
  joins?: SQL
  filter?: SQL | undefined
  columns: SQL
  /** The size of a row's contents, where they may be large. */
  bytes?: SQL
}

/** `reached` is the key up to which was looked in the direction asked for; null when there was nothing. */
export type ScannedPage<Item> = Page<Item> & { reached: string | null }

/**
 * What one table has for a page, in walking order; `end` is the key that it was looked
 * up to, null: all of it.
 */
interface Part {
  rows: Row[]
  end: string | null
}

/**
 * One page of a list, each row with its key as `k`. With a filter it looks at a bounded number of rows,
 * and a page never holds more contents than fit: so it may have fewer rows than asked for, even none, and
 * not be the end; `done` tells. Where the list's rows are in several tables, they are walked side by
 * side, in one round trip.
 */
export async function scanPage(
  db: Db,
  request: PageRequest,
  ...scans: readonly Scan[]
): Promise<ScannedPage<Row>> {
  return merge(request, await askParts(db, request, scans))
}

/** As `scanPage`, of a list whose rows are in several databases: as many of each as the page could hold. */
export async function scanShards(
  dbs: readonly Db[],
  request: PageRequest,
  scan: Scan,
): Promise<ScannedPage<Row>> {
  const parts = await Promise.all(dbs.map((db) => askParts(db, request, [scan])))
  return merge(request, parts.flat())
}

async function askParts(db: Db, request: PageRequest, scans: readonly Scan[]): Promise<Part[]> {
  const asked = scans.map((scan) => statementsOf(request, scan))
  const answered = await db.readAll(
    Object.fromEntries(
      asked.flatMap(({ walked, ends }, index) => [
        [`walked${index}`, walked],
        [`ends${index}`, ends],
      ]),
    ),
  )
  return scans.map((_, index) =>
    partOf(request, answered[`walked${index}`] ?? [], answered[`ends${index}`] ?? []),
  )
}

function statementsOf(request: PageRequest, scan: Scan): { walked: SQL; ends: SQL | null } {
  const { table, key, place, joins = sql``, filter = sql`true`, bytes = sql`0` } = scan
  const up = walksUp(request)
  const direction = up ? sql`ASC` : sql`DESC`
  const behind =
    request.cursor === undefined ? sql`` : sql`AND ${key} ${up ? sql`>` : sql`<`} ${request.cursor}`
  const from = scan.from === undefined ? sql`` : sql`AND ${key} >= ${scan.from}`
  const below = scan.below === undefined ? sql`` : sql`AND ${key} < ${scan.below}`
  const looked = scan.filter ? literal(SCANNED_ROWS) : sql`${request.limit + 1}`
  const range = sql`FROM ${table} WHERE ${scan.owner} ${behind} ${from} ${below} ORDER BY ${key} ${direction}`
  const names = place.map((_, index) => sql.raw(`p${index}`))
  const placed = sql.join(
    place.map((column, index) => sql`${column} AS ${names[index]}`),
    sql`, `,
  )
  const found = sql.join(
    place.map((column, index) => sql`${column} = l.${names[index]}`),
    sql` AND `,
  )
  const places = sql.join(names, sql`, `)
  return {
    // Keys come from the index alone, then what the filter needs, and contents only of what is on the page.
    walked: sql`
      WITH looked AS (SELECT ${placed}, ${key} AS k ${range} LIMIT ${looked}),
      picked AS (
        SELECT l.*, coalesce(${bytes}, 0) AS bytes FROM looked l CROSS JOIN ${table} ON ${found} ${joins}
        WHERE ${filter} ORDER BY l.k ${direction} LIMIT ${request.limit + 1}
      ),
      measured AS (
        SELECT ${places}, k, sum(bytes) OVER (ORDER BY k ${direction} ROWS UNBOUNDED PRECEDING) - bytes AS before
        FROM picked
      )
      SELECT l.k, (SELECT count(*) FROM picked) AS picked, ${scan.columns}
      FROM measured l CROSS JOIN ${table} ON ${found} ${joins}
      WHERE l.before < ${literal(MAX_PAGE_BYTES)} ORDER BY l.k ${direction}`,
    ends: scan.filter ? sql`SELECT ${key} AS k ${range} LIMIT 1 OFFSET ${literal(SCANNED_ROWS - 1)}` : null,
  }
}

function partOf(request: PageRequest, walked: readonly Row[], ends: readonly Row[]): Part {
  const rows = walked.slice(0, request.limit)
  const picked = (walked.at(0)?.picked as number | undefined) ?? 0
  if (picked > rows.length) return { rows, end: keyOf(rows.at(-1)) }
  return { rows, end: keyOf(ends.at(0)) }
}

/** As much of all parts as every one of them has been looked at. */
function merge(request: PageRequest, parts: readonly Part[]): ScannedPage<Row> {
  const order = walksUp(request) ? 1 : -1
  const compare = (a: string, b: string) => (a < b ? -order : a > b ? order : 0)
  const horizon = parts.flatMap(({ end }) => end ?? []).sort(compare)[0] ?? null
  const known = parts
    .flatMap((part) => part.rows)
    .filter((row) => horizon === null || compare(row.k as string, horizon) <= 0)
    .sort((a, b) => compare(a.k as string, b.k as string))
  const rows = known.slice(0, request.limit)
  const last = keyOf(rows.at(-1))
  const end = known.length > rows.length ? last : horizon
  return {
    rows: request.backwards ? rows.reverse() : rows,
    done: end === null,
    reached: end ?? last,
  }
}

function keyOf(row: Row | undefined): string | null {
  return (row?.k as string | undefined) ?? null
}

/** The condition that the JSON list `channels` of an event has the channel; undefined without one. */
export function hasChannel(channels: SQL, channel: string | undefined): SQL | undefined {
  return channel === undefined
    ? undefined
    : sql`EXISTS (SELECT 1 FROM json_each(${channels}) c WHERE c.value = ${channel})`
}

/** The condition that the column has one of the values; undefined without any. */
export function isAmong(column: SQL, values: readonly string[] | undefined): SQL | undefined {
  return values === undefined
    ? undefined
    : sql`${column} IN (SELECT value FROM json_each(${JSON.stringify(values)}))`
}

/** All of the conditions that are there. */
export function allOf(first: SQL, ...others: (SQL | undefined)[]): SQL {
  return sql.join([first, ...others.filter((condition) => condition !== undefined)], sql` AND `)
}
