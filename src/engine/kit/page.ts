import { type SQL, sql } from "drizzle-orm"

/** Which part of a list: `limit` rows behind `cursor`, a row's id, in the list's own order or against it. */
export interface PageRequest {
  limit: number
  cursor?: string
  /** Towards the beginning of the list: the rows just before `cursor`. */
  backwards?: boolean
  order: "ascending" | "descending"
}

export interface Page<Row> {
  /** In the list's order, whichever way the page was asked for. */
  rows: Row[]
  /** Nothing is behind this page in the direction asked for. */
  done: boolean
}

/**
 * The direction in which SQL must walk the ids: against the list's order when a page is asked for backwards.
 */
export function walksUp({ order, backwards = false }: PageRequest): boolean {
  return (order === "ascending") !== backwards
}

/** How SQL walks to the page along `key`: which rows are behind its cursor, and in which order they come. */
export function walkOf(request: PageRequest, key: SQL): { behind: SQL; order: SQL } {
  const up = walksUp(request)
  const { cursor } = request
  return {
    behind: cursor === undefined ? sql`true` : up ? sql`${key} > ${cursor}` : sql`${key} < ${cursor}`,
    order: up ? sql`ORDER BY ${key}` : sql`ORDER BY ${key} DESC`,
  }
}

/** Makes the page of rows read in walking order, one more than `limit` so that the end shows. */
export function toPage<Row>(request: PageRequest, walked: readonly Row[]): Page<Row> {
  const rows = walked.slice(0, request.limit)
  return { rows: request.backwards ? rows.reverse() : rows, done: walked.length <= request.limit }
}
