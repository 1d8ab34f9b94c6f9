import { type SQL, sql } from "drizzle-orm"

import type { Statement } from "../../db/client.ts"
import { refreshDueAt } from "../pipeline/due.ts"

/**
 * Statements that remove the endpoints whose ids `ids` selects, before and after: their subscriptions and
 * secrets go, their uids and URLs are free again, what is pending is due so that it ends.
 */
export function removeAll(ids: SQL, now: number): Statement[] {
  const { change, derived } = removalOf(ids, now)
  return [change, ...derived]
}

/**
 * As `removeAll`, in two parts: what changes the endpoints if the condition holds, and what
 * follows for all removed.
 */
export function removalOf(
  ids: SQL,
  now: number,
  onlyIf = sql`true`,
): { change: SQL; derived: readonly Statement[] } {
  const removed = sql`SELECT id FROM endpoints WHERE id IN (${ids}) AND removed_at IS NOT NULL`
  return {
    change: sql`
      UPDATE endpoints SET removed_at = ${now}, updated_at = ${now}, url_key = NULL, uid = NULL
      WHERE id IN (${ids}) AND removed_at IS NULL AND ${onlyIf}`,
    derived: [
      sql`DELETE FROM subscriptions WHERE endpoint_id IN (${removed})`,
      sql`DELETE FROM secrets WHERE endpoint_id IN (${removed})`,
      refreshDueAt(removed),
    ],
  }
}
