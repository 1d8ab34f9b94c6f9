import { type SQL, sql } from "drizzle-orm"

import type { Db } from "../../db/client.ts"
import { literal } from "../../db/literal.ts"
import type { Deps } from "../../platform/deps.ts"
import { leaseMs } from "../pipeline/budget.ts"
import { dueAt } from "../pipeline/due.ts"
import { PING_EXPIRES_MS } from "../pipeline/ping.ts"

/** Until when what is held is leased: the last moment that a date can be. */
const FOREVER = literal(8_640_000_000_000_000)
const ROWS_PER_STATEMENT = 500
/** Whose lease it is; nobody records under it. */
const HOLDER = "moving"

/** The condition on a row's `lease_token` that it is not held here. */
export const isNotHeld = sql`lease_token IS NOT ${HOLDER}`

/**
 * How long work that has begun may go on, be it that it holds no lease: an event's first minute is its own
 * job's, and a ping's requests are over when it has expired.
 */
export function quietMs(deps: Deps): number {
  return Math.max(leaseMs(deps), PING_EXPIRES_MS)
}

/**
 * Whatever somebody can take a lease on: endpoints, undispatched events, resends that are
 * asked for, running tasks.
 */
interface Leased {
  name: SQL
  /** The same, with the index by which what is owed is found. */
  table: SQL
  key: SQL
  until: SQL
  /** The condition on the row that there is something to take. */
  isOwing: SQL
  /** What else is written when it is held, and when it is let go. */
  held: SQL
  freed: SQL
}

const token = (value: SQL) => sql`lease_token = ${value}`

const LEASED: readonly Leased[] = [
  {
    name: sql`endpoints`,
    table: sql`endpoints INDEXED BY endpoints_by_application`,
    key: sql`id`,
    until: sql`leased_until`,
    isOwing: sql`true`,
    held: sql`${token(sql`${HOLDER}`)}, due_at = NULL`,
    freed: sql`${token(sql`NULL`)}, leased_until = NULL, due_at = ${dueAt(undefined, sql`NULL`)}`,
  },
  {
    name: sql`events`,
    table: sql`events INDEXED BY events_undispatched`,
    key: sql`seq`,
    until: sql`leased_until`,
    isOwing: sql`dispatched_at IS NULL`,
    held: token(sql`${HOLDER}`),
    // Like an event for which no job could be sent: the next sweep takes it.
    freed: sql`${token(sql`NULL`)}, leased_until = 0`,
  },
  {
    name: sql`deliveries`,
    table: sql`deliveries INDEXED BY deliveries_to_resend`,
    key: sql`event_id, endpoint_id`,
    until: sql`resend_leased_until`,
    isOwing: sql`resend_requested_at IS NOT NULL`,
    held: sql`resend_requested_at = resend_requested_at`,
    freed: sql`resend_leased_until = NULL`,
  },
  {
    name: sql`tasks`,
    table: sql`tasks INDEXED BY tasks_running`,
    key: sql`id`,
    until: sql`leased_until`,
    isOwing: sql`status = 'running'`,
    held: token(sql`${HOLDER}`),
    freed: sql`${token(sql`NULL`)}, leased_until = NULL`,
  },
]

/**
 * Holds what the application owes in this shard, so that nobody takes it: what is leased once the lease is
 * over, or at once with `force`. Answers whether all of it is held; a bounded number of rows at a time.
 */
export async function hold(
  db: Db,
  id: string,
  now: number,
  force: boolean,
): Promise<"held" | "more" | "busy"> {
  const isFree = (until: SQL) => (force ? sql`true` : sql`(${until} IS NULL OR ${until} <= ${now})`)
  const owed = LEASED.map(
    (one) => sql`${one.isOwing} AND application_id = ${id} AND ${one.until} IS NOT ${FOREVER}`,
  )
  const { held, left } = await db.batch({
    held: LEASED.map((one, index) =>
      update(one, sql`${one.held}, ${one.until} = ${FOREVER}`, sql`${owed[index]} AND ${isFree(one.until)}`),
    ),
    left: LEASED.map((one, index) => sql`SELECT 1 FROM ${one.table} WHERE ${owed[index]} LIMIT 1`),
  })
  if (left.length === 0) return "held"
  return held.length > 0 ? "more" : "busy"
}

/** Lets a bounded number of what is held go; answers whether there was any. */
export async function letGo(db: Db, id: string): Promise<boolean> {
  const { freed } = await db.batch({
    freed: LEASED.map((one) =>
      update(one, one.freed, sql`${one.isOwing} AND application_id = ${id} AND ${one.until} = ${FOREVER}`),
    ),
  })
  return freed.length > 0
}

function update({ name, table, key }: Leased, changes: SQL, condition: SQL): SQL {
  return sql`
    UPDATE ${name} SET ${changes} WHERE (${key}) IN (
      SELECT ${key} FROM ${table} WHERE ${condition} LIMIT ${literal(ROWS_PER_STATEMENT)}
    ) RETURNING 1`
}
