import type { SQLWrapper } from "drizzle-orm"
import { type DrizzleD1Database, drizzle } from "drizzle-orm/d1"
import { SQLiteAsyncDialect } from "drizzle-orm/sqlite-core"

import type { Clock } from "../clock.ts"

export type Row = Record<string, unknown>
export type Statement = SQLWrapper

/** One D1 database: `orm` for single reads, `batch` for everything that changes state. */
export interface Db {
  orm: DrizzleD1Database
  /**
   * Runs the statements as one transaction in one round trip and answers each one's rows, columns in
   * snake_case. Tried again after a passing fault of D1, so every batch must be safe to repeat.
   */
  batch(statements: readonly Statement[]): Promise<Row[][]>
  /** The database's size in bytes as of the last batch of this isolate; 0 before the first. */
  sizeBytes(): number
}

const CASING = "snake_case"
const BATCH_TRIES = 3
const FIRST_PAUSE_MS = 50

// The size that the last batch reported, for each database of this isolate: a Db lives as long as an invocation.
const sizes = new WeakMap<D1Database, number>()

const dialect = new SQLiteAsyncDialect({ casing: CASING })

export function openDatabase(d1: D1Database, clock: Clock, random: () => number): Db {
  async function batchOnce(statements: readonly Statement[]): Promise<Row[][]> {
    if (statements.length === 0) return []
    const results = await d1.batch<Row>(
      statements.map((statement) => {
        const query = dialect.sqlToQuery(statement.getSQL())
        return d1.prepare(query.sql).bind(...query.params)
      }),
    )
    const size = results.at(-1)?.meta.size_after
    if (size) sizes.set(d1, size)
    return results.map((result) => result.results)
  }

  async function batch(statements: readonly Statement[]): Promise<Row[][]> {
    for (let tries = 1; ; tries++) {
      try {
        return await batchOnce(statements)
      } catch (error) {
        if (tries >= BATCH_TRIES || !isPassingFault(error)) throw error
        await clock.sleep(FIRST_PAUSE_MS * 2 ** tries * (0.5 + random()))
      }
    }
  }

  return { orm: drizzle(d1, { casing: CASING }), batch, sizeBytes: () => sizes.get(d1) ?? 0 }
}

/** True for the faults after which D1's documentation says to try again: resets, lost connections, overload. */
export function isPassingFault(error: unknown): boolean {
  return /network connection lost|storage caused object to be reset|reset because|internal error|cannot resolve|overloaded|starting up|timed? ?out/i.test(
    String(error),
  )
}

/** True when the database has no tables yet: its migrations have not been applied. */
export function isMissingTable(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (/no such table/i.test(cause.message)) return true
  }
  return false
}
