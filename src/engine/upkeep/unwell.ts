import { type SQL, sql } from "drizzle-orm"
import type { Row } from "../../db/client.ts"
import { behindAll } from "../../db/ids.ts"
import { literal } from "../../db/literal.ts"
import { readStanding, type Standing, standingColumns } from "../endpoints/standing.ts"

// No index says who is unwell: it would be written with every failure. Looked at are those in the retry
// lane, those that are disabled, which an index does know, and the newest: in all but the largest
// deployments that is everybody.

/** Endpoints of each sort that one look at a database goes through. */
const LOOKED_AT = 1_000
/** Endpoints that are listed at most. */
export const LISTED_UNWELL = 100

/** A table `looked(key)` for a WITH clause: the rowids of the endpoints that one look goes through. */
export const looked: SQL = sql`looked(key) AS (
  SELECT rowid FROM (
    SELECT x.rowid FROM endpoints x INDEXED BY endpoints_due
    WHERE x.due_at IS NOT NULL LIMIT ${literal(LOOKED_AT)}
  )
  UNION SELECT rowid FROM (
    SELECT x.rowid FROM endpoints x INDEXED BY endpoints_leased
    WHERE x.leased_until IS NOT NULL LIMIT ${literal(LOOKED_AT)}
  )
  UNION SELECT rowid FROM (
    SELECT x.rowid FROM endpoints x
    WHERE x.id < ${behindAll("endpoint")} ORDER BY x.id DESC LIMIT ${literal(LOOKED_AT)}
  )
)`

/**
 * The endpoints of a database that fail, are paused or disabled at `now`, whose trouble is the newest first.
 */
export function selectUnwell(now: number): SQL {
  return sql`
    WITH ${looked}, disabled(key) AS (
      SELECT x.rowid FROM endpoints x INDEXED BY endpoints_disabled
      WHERE x.disabled_at IS NOT NULL ORDER BY x.disabled_at DESC LIMIT ${literal(LOOKED_AT)}
    ), unwell(key) AS (
      SELECT e.rowid FROM (SELECT key FROM looked UNION SELECT key FROM disabled) l
      CROSS JOIN endpoints e ON e.rowid = l.key
      WHERE e.removed_at IS NULL AND (
        e.disabled_at IS NOT NULL OR e.failing_since IS NOT NULL OR e.paused_until > ${now}
      )
      ORDER BY coalesce(e.disabled_at, e.failing_since, e.paused_until) DESC LIMIT ${literal(LISTED_UNWELL + 1)}
    )
    SELECT ${standingColumns} FROM unwell u CROSS JOIN endpoints e ON e.rowid = u.key`
}

/** The endpoints of these rows whose trouble is the newest, as many as are listed. */
export function readUnwell(
  rows: readonly Row[],
  now: number,
): { endpoints: Standing[]; isComplete: boolean } {
  const all = newestTroubleFirst(rows.map((row) => readStanding(row, now)))
  return { endpoints: all.slice(0, LISTED_UNWELL), isComplete: all.length <= LISTED_UNWELL }
}

/** Those whose trouble is the newest first, whichever database they are of. */
export function newestTroubleFirst(endpoints: readonly Standing[]): Standing[] {
  return endpoints.toSorted((a, b) => troubleAt(b) - troubleAt(a))
}

function troubleAt({ disabledAt, failingSince, pausedUntil }: Standing): number {
  return disabledAt ?? failingSince ?? pausedUntil ?? 0
}
