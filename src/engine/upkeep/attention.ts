import { sql } from "drizzle-orm"

import type { Db, Row } from "../../db/client.ts"
import { literal } from "../../db/literal.ts"
import { events } from "../../db/schema/events.ts"
import { tasks } from "../../db/schema/tasks.ts"
import { shapeOf } from "../../db/shape.ts"
import type { Deps } from "../../platform/deps.ts"
import { isNotHeld } from "../applications/hold.ts"
import type { Standing } from "../endpoints/standing.ts"
import { type Pace, type PacedDelivery, paceOf } from "../rules/pace.ts"
import { lateMs } from "./health.ts"
import { LISTED_UNWELL, newestTroubleFirst, readUnwell, selectUnwell } from "./unwell.ts"

/** Stuck events, and running tasks, that are listed at most. */
const LISTED = 50
/** The newest events of a database, and as many of their deliveries, that the pace is taken from. */
const SAMPLED_EVENTS = 500
const SAMPLED_DELIVERIES = 2_000
/** What is older says nothing of how it goes now. */
const SAMPLE_AGE_MS = 3600_000

const stuckShape = shapeOf(events, "id", "applicationId", "eventType", "createdAt")
export type StuckEvent = ReturnType<typeof stuckShape.read>

const taskShape = shapeOf(tasks, "id", "applicationId", "kind", "processed", "createdAt")
export type RunningTask = ReturnType<typeof taskShape.read>

/** What a person has to look after across all applications, and how fast things go. */
export interface Attention {
  /** Those that fail, are paused or disabled, the newest trouble first. */
  endpoints: Standing[]
  /** Whether there are no more of them, as far as one look sees. */
  isComplete: boolean
  /** Events that should be dispatched by now, the oldest first. */
  stuck: StuckEvent[]
  tasks: RunningTask[]
  pace: Pace
}

/** Looks through every database, a bounded number of rows in each, without writing anything. */
export async function getAttention(deps: Deps): Promise<Attention> {
  const now = deps.clock.now()
  const seen = await Promise.all(deps.shards.map((db) => lookAt(deps, db, now)))
  const endpoints = newestTroubleFirst(seen.flatMap((shard) => shard.unwell.endpoints))
  const published = seen.flatMap((shard) => shard.sample.events).toSorted((a, b) => b - a)
  return {
    endpoints: endpoints.slice(0, LISTED_UNWELL),
    isComplete: endpoints.length <= LISTED_UNWELL && seen.every((shard) => shard.unwell.isComplete),
    stuck: seen
      .flatMap((shard) => shard.stuck)
      .toSorted((a, b) => a.createdAt - b.createdAt)
      .slice(0, LISTED),
    tasks: seen
      .flatMap((shard) => shard.tasks)
      .toSorted((a, b) => b.createdAt - a.createdAt)
      .slice(0, LISTED),
    pace: paceOf(
      published,
      seen.flatMap((shard) => shard.sample.deliveries),
      { now, isCut: seen.some((shard) => shard.sample.isCut) },
    ),
  }
}

async function lookAt(deps: Deps, db: Db, now: number) {
  const { unwell, stuck, running, sampled } = await db.readAll({
    unwell: selectUnwell(now),
    stuck: sql`
      SELECT ${stuckShape.columns("s")} FROM (
        SELECT ${stuckShape.columns("v")}, v.lease_token FROM events v INDEXED BY events_undispatched
        WHERE v.dispatched_at IS NULL ORDER BY v.id LIMIT ${literal(LISTED)}
      ) s WHERE ${isNotHeld} AND s.created_at < ${now - lateMs(deps)}`,
    running: sql`
      SELECT ${taskShape.columns("t")} FROM tasks t INDEXED BY tasks_running
      WHERE t.status = 'running' ORDER BY t.id DESC LIMIT ${literal(LISTED)}`,
    sampled: sql`
      WITH newest AS (
        SELECT v.id, v.created_at FROM events v
        WHERE v.seq > 0 ORDER BY v.seq DESC LIMIT ${literal(SAMPLED_EVENTS)}
      )
      SELECT n.id, n.created_at, d.status, d.attempts, d.attempted_at
      FROM newest n LEFT JOIN deliveries d ON d.event_id = n.id LIMIT ${literal(SAMPLED_DELIVERIES)}`,
  })
  return {
    unwell: readUnwell(unwell, now),
    stuck: stuck.map(stuckShape.read),
    tasks: running.map(taskShape.read),
    sample: readSample(sampled, now),
  }
}

/** The recent ones of a database's newest events, by when they came in, and their deliveries. */
function readSample(rows: readonly Row[], now: number) {
  const recent = rows.filter((row) => (row.created_at as number) > now - SAMPLE_AGE_MS)
  const published = new Map(recent.map((row) => [row.id as string, row.created_at as number]))
  return {
    events: [...published.values()],
    deliveries: recent.filter(({ status }) => status !== null).map(readPaced),
    isCut: published.size >= SAMPLED_EVENTS || rows.length >= SAMPLED_DELIVERIES,
  }
}

function readPaced(row: Row): PacedDelivery {
  return {
    status: row.status as PacedDelivery["status"],
    attempts: row.attempts as number,
    publishedAt: row.created_at as number,
    attemptedAt: row.attempted_at as number | null,
  }
}
