import type { SQLWrapper } from "drizzle-orm"
import { SQLiteAsyncDialect } from "drizzle-orm/sqlite-core"

import type { Clock } from "../platform/clock.ts"

/** A row as D1 answers it: columns in snake_case. */
export type Row = Record<string, unknown>
export type Statement = SQLWrapper

/** The statements of a transaction, in order, each under a name; a list counts as one, null is left out. */
export type Batch = Readonly<Record<string, Statement | readonly Statement[] | null>>
/** What the statements of a batch returned, under the same names; nothing for what was left out. */
export type Results<B> = { [Name in keyof B]: Row[] }

/** One D1 database. Whatever is asked of it is asked again after a passing fault. */
export interface Db {
  /** Its number among the shards of the deployment. */
  readonly shard: number
  /** The rows that one statement selects. */
  read(statement: Statement): Promise<Row[]>
  /** The rows that several statements select, as of one moment, in one round trip. */
  readAll<const B extends Batch>(statements: B): Promise<Results<B>>
  /** Runs the statements as one transaction in one round trip. Must be safe to repeat. */
  batch<const B extends Batch>(statements: B, patience?: Patience): Promise<Results<B>>
  /** The database's size in bytes as of the last batch of this isolate; 0 before the first. */
  sizeBytes(): number
  /** Statements asked so far, those of lost tries among them: what an invocation has a bounded number of. */
  asked(): number
}

/**
 * When a batch is tried again: after a passing fault, as the caller can ask again; or, for what cannot be
 * found out a second time, after any fault and more often.
 */
export type Patience = "usual" | "stubborn"

const TRIES = { usual: 3, stubborn: 5 }
const FIRST_PAUSE_MS = 50

// The size that the last batch reported, for each database of this isolate: a Db lives as
// long as an invocation.
const sizes = new WeakMap<D1Database, number>()

const dialect = new SQLiteAsyncDialect()

export function openDatabase(d1: D1Database, clock: Clock, random: () => number, shard = 0): Db {
  let asked = 0

  async function runOnce(statements: readonly Statement[]): Promise<Row[][]> {
    if (statements.length === 0) return []
    asked += statements.length
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

  async function run(statements: readonly Statement[], patience: Patience = "usual"): Promise<Row[][]> {
    for (let tries = 1; ; tries++) {
      try {
        return await runOnce(statements)
      } catch (error) {
        const worthIt = patience === "stubborn" || isPassingFault(error)
        if (tries >= TRIES[patience] || !worthIt) throw error
        await clock.sleep(FIRST_PAUSE_MS * 2 ** tries * (0.5 + random()))
      }
    }
  }

  async function batch<B extends Batch>(statements: B, patience?: Patience): Promise<Results<B>> {
    const named = Object.entries(statements).flatMap(([name, given]) =>
      listOf(given).map((statement) => ({ name, statement })),
    )
    const results = await run(
      named.map(({ statement }) => statement),
      patience,
    )
    const rows = Object.fromEntries(Object.keys(statements).map((name): [string, Row[]] => [name, []]))
    for (const [index, { name }] of named.entries()) rows[name]?.push(...(results[index] ?? []))
    return rows as Results<B>
  }

  return {
    shard,
    read: async (statement) => (await run([statement]))[0] ?? [],
    readAll: batch,
    batch,
    sizeBytes: () => sizes.get(d1) ?? 0,
    asked: () => asked,
  }
}

function listOf(given: Batch[string]): readonly Statement[] {
  if (given === null) return []
  return isList(given) ? given : [given]
}

/** `Array.isArray` does not know read-only lists. */
function isList(given: Statement | readonly Statement[]): given is readonly Statement[] {
  return Array.isArray(given)
}

/**
 * True for the faults after which D1's documentation says to try again: resets, lost connections, overload.
 */
function isPassingFault(error: unknown): boolean {
  return /network connection lost|storage caused object to be reset|reset because|internal error|cannot resolve|overloaded|starting up|timed? ?out/i.test(
    String(error),
  )
}

/**
 * Said of a write to an application that is on its way to another shard: it goes through
 * once that has arrived.
 */
export class MovingError extends Error {
  constructor() {
    super(
      "The application is moving to another database: it can be read meanwhile, and written to again soon",
    )
  }
}

/** What to do about a database without tables. */
export const MIGRATE =
  "The database has no tables yet. Create them with `npm run db:migrate` (local) or `npm run db:migrate:remote` (deployed), or start with `npm start`, which does it."

/** True when the database has no tables yet: its migrations have not been applied. */
export function isMissingTable(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (/no such table/i.test(cause.message)) return true
  }
  return false
}
