import { sql } from "drizzle-orm"

import { type Db, isMissingTable, MIGRATE } from "../../db/client.ts"
import { literal } from "../../db/literal.ts"
import type { Deps } from "../../platform/deps.ts"
import { isNotHeld } from "../applications/hold.ts"
import { leaseMs } from "../pipeline/budget.ts"
import { overdueSince } from "../pipeline/lane.ts"
import { NEARLY_FULL } from "./retention.ts"
import { readStateRow, type SystemState, selectState } from "./state.ts"

/** The cron runs every minute; after three missed runs something is wrong. */
export const SWEEP_LATE_MS = 3 * 60_000
/** Undispatched events that one look passes over because their application is on its way to another shard. */
const HELD_PER_LOOK = 500

export type Condition = "ok" | "degraded" | "failing"

export interface SystemHealth {
  status: Condition
  database: { status: Condition; detail: string | null; bytes: number | null; limitBytes: number }
  queues: { status: Condition; detail: string | null; backlog: Record<string, number | null> }
  sweep: { status: Condition; detail: string | null; lastAt: number | null }
  /** How old the oldest event is that is not dispatched, in ms; 0: all are. */
  dispatch: { status: Condition; detail: string | null; oldestMs: number | null }
  /**
   * For how long the retry lane could have made, and has not made, the request that has
   * waited longest, in ms.
   */
  retries: { status: Condition; detail: string | null; overdueMs: number | null }
}

type Stored = Pick<SystemHealth, "database" | "sweep" | "dispatch" | "retries">

/** Looks at D1, the queues and the last sweep without writing or sending anything. Never throws. */
export async function getSystemHealth(deps: Deps): Promise<SystemHealth> {
  const [stored, queues] = await Promise.all([lookAtDatabase(deps), lookAtQueues(deps)])
  const { database, sweep, dispatch, retries } = stored
  const all = [database, queues, sweep, dispatch, retries].map(({ status }) => status)
  const status = all.includes("failing") ? "failing" : all.includes("degraded") ? "degraded" : "ok"
  return { status, database, queues, sweep, dispatch, retries }
}

/**
 * From when on (ms) what waits is late: a lease, and as long as the sweep may be late. By then whatever a
 * crash or a lost job has left behind has been found, if somebody works at all and keeps up.
 */
export function lateMs(deps: Deps): number {
  return leaseMs(deps) + SWEEP_LATE_MS
}

async function lookAtDatabase(deps: Deps): Promise<Stored> {
  const now = deps.clock.now()
  try {
    const shards = await Promise.all(deps.shards.map((db) => lookAtShard(db, now)))
    return {
      database: databaseHealth(deps, shards),
      sweep: sweepHealth(shards, now),
      dispatch: dispatchHealth(deps, ageOf(shards, "oldestEventAt", now)),
      retries: retryHealth(deps, ageOf(shards, "overdueSince", now)),
    }
  } catch (error) {
    deps.observe({ unit: "fault", during: "health", queue: null, error: String(error) })
    return withoutDatabase(deps, isMissingTable(error) ? MIGRATE : "D1 does not answer")
  }
}

/** What one shard shows; times in epoch ms, null for none. */
interface Shard {
  state: SystemState | null
  bytes: number
  oldestEventAt: number | null
  overdueSince: number | null
}

async function lookAtShard(db: Db, now: number): Promise<Shard> {
  const { state, waiting, lane } = await db.readAll({
    state: selectState,
    waiting: sql`
      SELECT created_at FROM (
        SELECT v.created_at, v.lease_token FROM events v INDEXED BY events_undispatched
        WHERE v.dispatched_at IS NULL ORDER BY v.id LIMIT ${literal(HELD_PER_LOOK)}
      ) WHERE ${isNotHeld} LIMIT 1`,
    lane: sql`SELECT ${overdueSince(now)} AS since`,
  })
  const known = state[0] ? readStateRow(state[0]) : null
  return {
    state: known,
    bytes: Math.max(known?.databaseBytes ?? 0, db.sizeBytes()),
    oldestEventAt: (waiting[0]?.created_at ?? null) as number | null,
    overdueSince: (lane[0]?.since ?? null) as number | null,
  }
}

function ageOf(shards: readonly Shard[], time: "oldestEventAt" | "overdueSince", now: number): number {
  return Math.max(0, ...shards.map((shard) => now - (shard[time] ?? now)))
}

function databaseHealth(deps: Deps, shards: readonly Shard[]): SystemHealth["database"] {
  const limitBytes = deps.config.databaseLimitBytes
  const bytes = Math.max(0, ...shards.map((shard) => shard.bytes))
  const nearlyFull = bytes >= NEARLY_FULL * limitBytes
  const said = "More than 80 % full: retention shortens, and from 95 % publishing answers 507"
  return { ...judged(nearlyFull, said), bytes, limitBytes }
}

function sweepHealth(shards: readonly Shard[], now: number): SystemHealth["sweep"] {
  const sweeps = shards.map(({ state }) => state?.lastSweepAt ?? 0).filter((at) => at > 0)
  if (sweeps.length === 0)
    return { status: "ok", detail: "Has not run yet; it runs every minute", lastAt: null }
  const lastAt = Math.min(...sweeps)
  return { ...judged(now - lastAt > SWEEP_LATE_MS, "Late: is the cron trigger on?"), lastAt }
}

function dispatchHealth(deps: Deps, oldestMs: number): SystemHealth["dispatch"] {
  const said = "Events wait to be dispatched: the queue `events` or its consumer does not keep up"
  return { ...judged(oldestMs > lateMs(deps), said), oldestMs }
}

function retryHealth(deps: Deps, overdueMs: number): SystemHealth["retries"] {
  const said = "Deliveries that are due wait: the queue `retries` or its consumer does not keep up"
  return { ...judged(overdueMs > lateMs(deps), said), overdueMs }
}

function judged(isDegraded: boolean, detail: string): { status: Condition; detail: string | null } {
  return isDegraded ? { status: "degraded", detail } : { status: "ok", detail: null }
}

function withoutDatabase(deps: Deps, detail: string): Stored {
  const unknown = { status: "degraded", detail: "Unknown without the database" } as const
  return {
    database: { status: "failing", detail, bytes: null, limitBytes: deps.config.databaseLimitBytes },
    sweep: { ...unknown, lastAt: null },
    dispatch: { ...unknown, oldestMs: null },
    retries: { ...unknown, overdueMs: null },
  }
}

async function lookAtQueues(deps: Deps): Promise<SystemHealth["queues"]> {
  const backlog: Record<string, number | null> = {}
  let status: Condition = "ok"
  for (const [name, queue] of Object.entries(deps.queues)) {
    try {
      backlog[name] = (await queue.metrics()).backlogCount
    } catch (error) {
      backlog[name] = null
      status = "degraded"
      deps.observe({ unit: "fault", during: "health", queue: name, error: String(error) })
    }
  }
  return {
    status,
    detail: status === "ok" ? null : "A queue does not answer; the sweep delivers meanwhile, once a minute",
    backlog,
  }
}
