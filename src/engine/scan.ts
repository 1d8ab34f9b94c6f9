import { type SQL, sql } from "drizzle-orm"

import type { Db, Row } from "../db/client.ts"
import { type Page, type PageRequest, walksUp } from "./page.ts"

/** Rows that one call of a list with a filter looks at: a rare kind must not cost a walk through everything. */
export const SCANNED_ROWS = 2000
/** Contents that one page holds: what an invocation can keep in memory. */
const MAX_PAGE_BYTES = 8 * 1024 * 1024

/** A list: the rows of one table with the same owner, in the order of `key`, an index of the two at hand. */
export interface Scan {
  /** The table and its alias, such as `events t`. */
  table: SQL
  /** The table's rowid, such as `t.rowid`. */
  place: SQL
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
 * One page of a list. With a filter it looks at a bounded number of rows, and a page never holds more contents
 * than fit: so it may have fewer rows than asked for, even none, and not be the end; `done` tells.
 */
export async function scanPage(db: Db, request: PageRequest, scan: Scan): Promise<ScannedPage<Row>> {
  const { table, key, joins = sql``, filter = sql`true`, bytes = sql`0` } = scan
  const up = walksUp(request)
  const direction = up ? sql`ASC` : sql`DESC`
  const behind =
    request.cursor === undefined ? sql`` : sql`AND ${key} ${up ? sql`>` : sql`<`} ${request.cursor}`
  const from = scan.from === undefined ? sql`` : sql`AND ${key} >= ${scan.from}`
  const below = scan.below === undefined ? sql`` : sql`AND ${key} < ${scan.below}`
  const looked = scan.filter ? SCANNED_ROWS : request.limit + 1
  const range = sql`FROM ${table} WHERE ${scan.owner} ${behind} ${from} ${below} ORDER BY ${key} ${direction}`
  const [walked = [], ends = []] = await db.batch([
    // Keys come from the index alone, then what the filter needs, and contents only of what is on the page.
    sql`
      WITH looked AS (SELECT ${scan.place} AS place, ${key} AS k ${range} LIMIT ${looked}),
      picked AS (
        SELECT l.place, l.k, coalesce(${bytes}, 0) AS bytes FROM looked l CROSS JOIN ${table} ON ${scan.place} = l.place ${joins}
        WHERE ${filter} ORDER BY l.k ${direction} LIMIT ${request.limit + 1}
      ),
      measured AS (
        SELECT place, k, sum(bytes) OVER (ORDER BY k ${direction} ROWS UNBOUNDED PRECEDING) - bytes AS before
        FROM picked
      )
      SELECT m.k, (SELECT count(*) FROM picked) AS picked, ${scan.columns}
      FROM measured m CROSS JOIN ${table} ON ${scan.place} = m.place ${joins}
      WHERE m.before < ${MAX_PAGE_BYTES} ORDER BY m.k ${direction}`,
    ...(scan.filter ? [sql`SELECT ${key} AS k ${range} LIMIT 1 OFFSET ${SCANNED_ROWS - 1}`] : []),
  ])
  const rows = walked.slice(0, request.limit)
  const picked = (walked.at(0)?.picked as number | undefined) ?? 0
  const last = (rows.at(-1)?.k as string | undefined) ?? null
  const end = picked > rows.length ? last : ((ends.at(0)?.k as string | undefined) ?? null)
  return {
    rows: request.backwards ? rows.reverse() : rows,
    done: end === null,
    reached: end ?? last,
  }
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
