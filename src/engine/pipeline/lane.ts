import { type SQL, sql } from "drizzle-orm"

import type { Row } from "../../db/client.ts"
import { literal } from "../../db/literal.ts"
import { hasRoom } from "./rates.ts"

// The retry lane is worked in turns: application by application, then endpoint by endpoint. The index of what is due
// begins with the application, so that the next one is found by a single step, however much this one has due.

/** Applications with something in the lane, due or not, that one look passes over. */
const APPLICATIONS_PER_LOOK = 500
/** Endpoints that one pass claims. */
export const ENDPOINTS_PER_PASS = 36
/** Those of one application that are known to be slow: half of the requests that can be open at once. */
const SLOW_PER_APPLICATION = 3

/** A part of a round through the lane: behind the first of these applications, as far as the second. */
export interface Part {
  from: string
  to: string
}

/** Where a look at the lane begins and ends: once round from the same application, or a part of that. */
interface Round {
  from: SQL
  to: SQL
  isPart: boolean
}

/** Once round, behind the application that `from` selects. */
export function onceRound(from = sql`''`): Round {
  return { from, to: from, isPart: false }
}

/** A part of a round. */
export function partOf({ from, to }: Part): Round {
  return { from: sql`${from}`, to: sql`${to}`, isPart: from < to }
}

/**
 * A table `ring` for a WITH clause: the applications that have something in the lane, each with its `turn`, along the
 * round as far as one look goes. A null id says that the round is complete.
 */
function ring({ from, to, isPart }: Round): SQL {
  const has = sql`SELECT x.application_id FROM endpoints x INDEXED BY endpoints_due WHERE x.due_at IS NOT NULL`
  const first = sql`(${has} AND x.application_id <= ${to} ORDER BY x.application_id LIMIT 1)`
  const before = (id: SQL) =>
    sql`coalesce((${has} AND x.application_id > ${id} ORDER BY x.application_id LIMIT 1), ${first})`
  const behind = (id: SQL) =>
    sql`(${has} AND x.application_id > ${id} AND x.application_id <= ${to} ORDER BY x.application_id LIMIT 1)`
  return sql`ring(id, turn) AS (
    SELECT ${isPart ? behind(from) : before(from)}, 1
    UNION ALL
    SELECT CASE WHEN ring.id > ${to} THEN ${before(sql`ring.id`)} ELSE ${behind(sql`ring.id`)} END, ring.turn + 1
    FROM ring WHERE ring.id IS NOT NULL LIMIT ${literal(APPLICATIONS_PER_LOOK)}
  )`
}

/** The earliest `due_at` of the application `ring.id`. */
const earliest = sql`(
  SELECT x.due_at FROM endpoints x INDEXED BY endpoints_due
  WHERE x.due_at IS NOT NULL AND x.application_id = ring.id ORDER BY x.due_at LIMIT 1)`

/**
 * The rowids of up to `limit` endpoints that are due at `at`, most overdue first, in turns by application: nobody has
 * two before everybody has one, the slow ones of nobody take up the pass, and who has a rate has no more than that. Reads no more than a page of each
 * application's, and those of a page of applications.
 */
export function nextInTurn(round: Round, at: number, limit: number): SQL {
  const most = literal(limit)
  return sql`
    WITH RECURSIVE ${ring(round)},
    waiting(id, turn, most) AS MATERIALIZED (
      SELECT ring.id, ring.turn, coalesce(a.throttle_rate, ${most}) FROM ring CROSS JOIN applications a ON a.id = ring.id
      WHERE ${earliest} <= ${at} AND ${hasRoom(at)} LIMIT ${most}
    ),
    page(key, is_slow, turn, most, place) AS (
      SELECT e.rowid, e.slow_ms IS NOT NULL, w.turn, w.most,
        row_number() OVER (PARTITION BY w.id, e.slow_ms IS NOT NULL ORDER BY e.due_at)
      FROM waiting w CROSS JOIN endpoints e ON e.rowid IN (
        SELECT x.rowid FROM endpoints x INDEXED BY endpoints_due
        WHERE x.application_id = w.id AND x.due_at <= ${at} ORDER BY x.due_at LIMIT ${most}
      )
    )
    SELECT key FROM page WHERE place <= most AND (NOT is_slow OR place <= ${literal(SLOW_PER_APPLICATION)})
    ORDER BY place, turn LIMIT ${most}`
}

/** What is left in the lane, as one look sees it. */
export interface Left {
  /** When the next endpoint is due (epoch ms); null: none is. */
  dueAt: number | null
  /** The last application that was looked at, if there are more. */
  stoppedAt: string | null
}

/** One value that `readLeft` reads. */
export function left(round: Round): SQL {
  return sql`(
    WITH RECURSIVE ${ring(round)}
    SELECT json_array(min(max(${earliest}, coalesce((
      SELECT a.throttled_until FROM applications a WHERE a.id = ring.id AND a.throttle_rate IS NOT NULL), 0))), max(CASE WHEN ring.turn = ${literal(APPLICATIONS_PER_LOOK)} THEN ring.id END))
    FROM ring)`
}

export function readLeft(value: unknown): Left {
  const [dueAt = null, stoppedAt = null] = JSON.parse(value as string) as [number | null, string | null]
  return { dueAt, stoppedAt }
}

/**
 * Since when the request that has waited longest in the lane could have been made, or the lease been ended of somebody who
 * died (epoch ms); null: nothing waits at `at`. Pauses, rates and times of retries are not over yet where they count; who is slow
 * waits for itself, and nothing is sent to who is removed, whose `due_at` is 0. Seen are a page of each application's, and
 * those of a page of applications: as they take turns, what is late is late with all.
 */
export function overdueSince(at: number): SQL {
  return sql`(
    WITH RECURSIVE ${ring(onceRound())}
    SELECT min(since) FROM (
      SELECT max(p.due_at, coalesce(CASE WHEN a.throttle_rate IS NOT NULL THEN a.throttled_until END, 0)) AS since
      FROM ring CROSS JOIN applications a ON a.id = ring.id CROSS JOIN endpoints p ON p.rowid IN (
        SELECT x.rowid FROM endpoints x INDEXED BY endpoints_due
        WHERE x.application_id = ring.id AND x.due_at > 0 AND x.due_at <= ${at}
        ORDER BY x.due_at LIMIT ${literal(ENDPOINTS_PER_PASS)}
      ) WHERE p.slow_ms IS NULL
      UNION ALL
      SELECT min(leased_until) FROM endpoints WHERE leased_until <= ${at}
    ) WHERE since <= ${at}
  )`
}

/** A row for each endpoint that is due at `at`, up to `most`; and one if there is more than a look sees. */
export function dueNow(at: number, most: number): SQL {
  return sql`
    WITH RECURSIVE ${ring(onceRound())}
    SELECT 1 FROM ring LEFT JOIN endpoints x INDEXED BY endpoints_due
      ON x.application_id = ring.id AND x.due_at <= ${at}
    WHERE x.due_at IS NOT NULL OR (ring.turn = ${literal(APPLICATIONS_PER_LOOK)} AND ring.id IS NOT NULL)
    LIMIT ${literal(most)}`
}

/** The last of the applications that had a turn, behind which the next pass goes on; null: nobody had one. */
export function lastInTurn(from: string, endpoints: readonly Row[]): string | null {
  const ids = endpoints.map((row) => row.application_id as string).sort()
  return ids.findLast((id) => id <= from) ?? ids.at(-1) ?? null
}
