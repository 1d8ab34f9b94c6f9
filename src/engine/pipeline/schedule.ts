import { type SQL, sql } from "drizzle-orm"

import type { Db } from "../../db/client.ts"
import type { Deps } from "../../platform/deps.ts"
import { delaySeconds } from "../jobs/job.ts"
import { enqueue } from "./jobs.ts"

// When the retry lane is drained. What is due now needs a drain that has not begun yet: whoever begins later
// sees it. So of those that are called one waits in each shard, however many ask for it.

/** Due times further away than this are left to the sweep, which runs every minute. */
const NEAR_MS = 60_000
/** A job must not arrive before what it is for is due; the queue's clock is not ours. */
const WAKE_RESERVE_MS = 50
/** A drain that was called so long ago, and has not begun, is lost; or one more does no harm. */
const LOST_AFTER_MS = 5_000

/**
 * Sends a drain for the moment at which something in a shard is due, unless that is far, or one that was sent
 * before comes as soon: many things can wait for the same moment. Null: nothing is due.
 */
export async function scheduleDrain(deps: Deps, db: Db, dueAt: number | null): Promise<void> {
  if (dueAt === null) return
  const now = deps.clock.now()
  if (dueAt - now > NEAR_MS) return
  if (dueAt <= now) {
    await callDrain(deps, db)
    return
  }
  const from = dueAt + WAKE_RESERVE_MS
  const comesAt = now + 1000 * delaySeconds(from - now)
  const ahead = drainsAhead(deps, db, now)
  if (ahead.some((at) => at >= from && at <= comesAt)) return
  if (await enqueue(deps, db, { kind: "drain" }, from - now)) noteAhead(deps, db, [...ahead, comesAt])
}

/**
 * Sends a drain for what is due in a shard by now, unless one waits there already: it will see this,
 * too. Call it when that is written. `lastTurn`: the application that had the last turn, behind which
 * the next drain goes on.
 */
export async function callDrain(deps: Deps, db: Db, lastTurn: string | null = null): Promise<void> {
  const now = deps.clock.now()
  const waits = isWaiting(now)
  const { called } = await db.batch({
    called: sql`
      INSERT INTO system_state (key, drain_called_at, last_turn) VALUES ('sweep', ${now}, ${lastTurn ?? ""})
      ON CONFLICT (key) DO UPDATE SET
        drain_called_at = CASE WHEN ${waits} THEN drain_called_at ELSE ${now} END,
        last_turn = coalesce(${lastTurn}, last_turn)
      WHERE NOT ${waits} OR ${lastTurn} IS NOT NULL
      RETURNING drain_called_at`,
  })
  // Of two that are called within a millisecond both are sent.
  if (called[0]?.drain_called_at === now) await enqueue(deps, db, { kind: "drain", isCalled: true })
}

function isWaiting(now: number): SQL {
  return sql`(drain_called_at > ${now - LOST_AFTER_MS})`
}

/** Whether a drain that was called waits at `now`, and so will see all that is due by then. */
export function isCalledFor(now: number): SQL {
  return sql`EXISTS (SELECT 1 FROM system_state WHERE key = 'sweep' AND ${isWaiting(now)})`
}

/** Notes that the drain that was called begins. */
export const noneWaits: SQL = sql`
  UPDATE system_state SET drain_called_at = 0 WHERE key = 'sweep' AND drain_called_at > 0`

/** The application that had the last turn in this shard; empty: nobody had one. */
export const turnSoFar: SQL = sql`coalesce((SELECT last_turn FROM system_state WHERE key = 'sweep'), '')`

/** When the drains come that this isolate has sent ahead (epoch ms), by queue and shard. */
const sentAhead = new WeakMap<Deps["queues"]["retries"], Map<number, readonly number[]>>()

function drainsAhead({ queues }: Deps, { shard }: Db, now: number): number[] {
  return (sentAhead.get(queues.retries)?.get(shard) ?? []).filter((at) => at > now)
}

function noteAhead({ queues }: Deps, { shard }: Db, ahead: readonly number[]): void {
  const byShard = sentAhead.get(queues.retries) ?? new Map<number, readonly number[]>()
  sentAhead.set(queues.retries, byShard.set(shard, ahead))
}
