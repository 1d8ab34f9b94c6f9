import { sql } from "drizzle-orm"

import type { Db, Row } from "../../db/client.ts"
import { idAt } from "../../db/ids.ts"
import { literal } from "../../db/literal.ts"
import type { Activity } from "../../platform/activity.ts"
import type { Deps } from "../../platform/deps.ts"
import { KINDS } from "../deliveries/attempts.ts"
import { openUntil } from "../pipeline/budget.ts"
import { resultOf } from "../rules/tally.ts"
import { looked } from "./unwell.ts"

/** Of each kind, one look at a database sees so many. */
const SEEN = 100
/** Later attempts of one endpoint among them. */
const SEEN_OF_ENDPOINT = 10
/** An attempt is shown once it is over: it may have begun this long before. */
const openMs = (deps: Deps) => openUntil(deps, 0)
/** How much of the past is shown where no time is given. */
const LOOK_BACK_MS = 3600_000

/**
 * What has happened in all applications since `from` (epoch ms, at most an hour ago), the newest first, up to
 * `limit`. What may have changed since then comes again: an attempt is shown once it is over, and events,
 * tasks and uploads change their state.
 */
export async function listActivity(deps: Deps, from: number | undefined, limit: number): Promise<Activity[]> {
  const earliest = deps.clock.now() - LOOK_BACK_MS
  const since = Math.max(earliest, (from ?? earliest) - openMs(deps))
  const found = await Promise.all([
    ...deps.shards.map((db) => lookAt(db, since)),
    ...deps.activities.map((source) => source(deps, since)),
  ])
  return found
    .flat()
    .toSorted((a, b) => beganAt(b) - beganAt(a))
    .slice(0, limit)
}

function beganAt({ startedAt, receivedAt }: Activity): number {
  return startedAt ?? receivedAt
}

const { first, later } = KINDS
const attempted = sql`a.url, a.status_code, a.error, a.duration_ms, a.endpoint_id, d.attempts AS tries,
  v.id AS event_id, v.application_id, v.event_type, v.created_at AS received_at`
const newest = sql`newest(seq) AS (SELECT seq FROM events WHERE seq > 0 ORDER BY seq DESC LIMIT ${literal(SEEN)})`

async function lookAt(db: Db, since: number): Promise<Activity[]> {
  const rows = await db.readAll({
    events: sql`
      WITH ${newest}
      SELECT v.id, v.application_id, v.event_type, v.created_at, v.dispatched_at, v.failure, v.claims, v.endpoint_id
      FROM newest n CROSS JOIN events v ON v.seq = n.seq
      WHERE v.ping_id IS NULL AND v.created_at >= ${since}`,
    firsts: sql`
      WITH ${newest}
      SELECT a.attempt_id AS id, ${first.at} AS at, ${attempted}
      FROM newest n CROSS JOIN events v ON v.seq = n.seq CROSS JOIN ${first.table} ON a.event_id = v.id
        CROSS JOIN deliveries d ON d.event_id = a.event_id AND d.endpoint_id = a.endpoint_id
      WHERE v.ping_id IS NULL AND ${first.at} >= ${since} LIMIT ${literal(SEEN)}`,
    laters: sql`
      WITH ${looked}
      SELECT a.id, ${later.at} AS at, ${attempted}
      FROM looked l CROSS JOIN endpoints e ON e.rowid = l.key CROSS JOIN ${later.table}
        ON a.endpoint_id = e.id AND a.id IN (
          SELECT x.id FROM attempts x WHERE x.endpoint_id = e.id AND x.id >= ${idAt("attempt", since)}
          ORDER BY x.id DESC LIMIT ${literal(SEEN_OF_ENDPOINT)}
        )
        CROSS JOIN deliveries d ON d.event_id = a.event_id AND d.endpoint_id = a.endpoint_id
        CROSS JOIN events v ON v.application_id = a.application_id AND v.id = a.event_id
      WHERE ${later.isMade} ORDER BY a.id DESC LIMIT ${literal(SEEN)}`,
    tasks: sql`
      SELECT t.id, t.application_id, t.kind, t.status, t.processed, t.created_at, t.updated_at FROM tasks t
      WHERE t.id > '' ORDER BY t.id DESC LIMIT ${literal(SEEN)}`,
  })
  return [
    ...rows.events.map(toEvent),
    ...[...rows.firsts, ...rows.laters].map(toAttempt),
    ...rows.tasks.map(toTask).filter(({ receivedAt, runtimeMs }) => receivedAt + (runtimeMs ?? 0) >= since),
  ]
}

function toEvent(row: Row): Activity {
  const receivedAt = row.created_at as number
  const dispatchedAt = row.dispatched_at as number | null
  const failure = row.failure as string | null
  return {
    kind: "event",
    id: row.id as string,
    applicationId: row.application_id as string,
    name: row.event_type as string,
    state: failure === null ? (dispatchedAt === null ? "waiting" : "dispatched") : "failed",
    receivedAt,
    startedAt: null,
    runtimeMs: dispatchedAt === null ? null : Math.max(0, dispatchedAt - receivedAt),
    tries: (row.claims as number) + 1,
    result: failure,
    eventId: row.id as string,
    endpointId: row.endpoint_id as string | null,
    url: null,
  }
}

function toAttempt(row: Row): Activity {
  const statusCode = row.status_code as number | null
  const error = row.error as Parameters<typeof resultOf>[1]
  return {
    kind: "attempt",
    id: row.id as string,
    applicationId: row.application_id as string,
    name: row.event_type as string,
    state: resultOf(statusCode, error) === "2xx" ? "delivered" : "failed",
    receivedAt: row.received_at as number,
    startedAt: row.at as number,
    runtimeMs: row.duration_ms as number | null,
    tries: row.tries as number,
    result: statusCode === null ? (error ?? "internal") : String(statusCode),
    eventId: row.event_id as string,
    endpointId: row.endpoint_id as string,
    url: row.url as string | null,
  }
}

function toTask(row: Row): Activity {
  const receivedAt = row.created_at as number
  return {
    kind: "task",
    id: row.id as string,
    applicationId: row.application_id as string,
    name: row.kind as string,
    state: row.status as string,
    receivedAt,
    startedAt: receivedAt,
    runtimeMs: (row.updated_at as number) - receivedAt,
    tries: 1,
    result: `${row.processed as number} done`,
    eventId: null,
    endpointId: null,
    url: null,
  }
}
