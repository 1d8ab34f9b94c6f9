import { type SQL, sql } from "drizzle-orm"

import type { Row } from "../../db/client.ts"
import { idAt } from "../../db/ids.ts"
import { literal } from "../../db/literal.ts"

/**
 * When the retry lane should next look at an endpoint of `endpoints`: at its earliest pending delivery, but not
 * before its pause ends and its rate has room; a removed one at once, so that what is pending ends. Null: never, or
 * not before whoever has leased it lets go.
 */
export function dueAt(
  pausedUntil = sql`endpoints.paused_until`,
  leasedUntil = sql`endpoints.leased_until`,
  throttledUntil = sql`endpoints.throttled_until`,
): SQL {
  return sql`(
    SELECT CASE WHEN ${leasedUntil} IS NULL THEN CASE WHEN endpoints.removed_at IS NULL
      THEN max(d.next_attempt_at, coalesce(${pausedUntil}, 0), coalesce(${throttledUntil}, 0)) ELSE 0 END END
    FROM deliveries d
    WHERE d.endpoint_id = endpoints.id AND d.status = 'pending' AND d.next_attempt_at IS NOT NULL
    ORDER BY d.next_attempt_at LIMIT 1
  )`
}

/** Derives `due_at` anew for the endpoints that `ids` selects. Belongs behind every change of deliveries or pause. */
export function refreshDueAt(ids: SQL): SQL {
  return sql`UPDATE endpoints SET due_at = ${dueAt()} WHERE id IN (${ids})`
}

/** Ends up to `most` leases that ran out before `at`: whoever had them died. Their claims stay counted. */
export function freeLost(at: number, most: number): SQL {
  return sql`
    UPDATE endpoints SET lease_token = NULL, leased_until = NULL, due_at = ${dueAt(undefined, sql`NULL`)}
    WHERE rowid IN (SELECT rowid FROM endpoints WHERE leased_until <= ${at} ORDER BY leased_until LIMIT ${literal(most)})`
}

/** Where a delivery made at `now` stands among its endpoint's, for one that no attempt gives its id: new in each row. */
export function newPlace(now: number): SQL {
  return sql`${idAt("attempt", now)} || lower(hex(randomblob(10)))`
}

/** Ends an endpoint's pause: somebody has said, or an answer has shown, that it is well. Its rate still counts. */
export function endPause(endpointId: string, now: number): SQL[] {
  return [
    sql`UPDATE endpoints SET paused_until = NULL WHERE id = ${endpointId} AND paused_until > ${now}`,
    refreshDueAt(sql`SELECT ${endpointId}`),
  ]
}

/** When the first of these endpoints is due (epoch ms), as `due`; null: none is. */
export function earliestDue(ids: SQL): SQL {
  return sql`SELECT min(due_at) AS due FROM endpoints WHERE id IN (${ids})`
}

/** What `earliestDue` has answered, or the earliest `due_at` that a statement has returned. */
export function readDue(rows: readonly Row[]): number | null {
  const times = rows.flatMap((row) => ((row.due ?? row.due_at) as number | null | undefined) ?? [])
  return times.length === 0 ? null : Math.min(...times)
}
