import { type SQL, sql } from "drizzle-orm"

/** What has been learned of a receiver from its answers. */
const LEARNED = ["proven_at", "failing_since", "slow_ms", "paused_until", "gone_at"]

/**
 * The columns, for `setOf`, by which an endpoint starts afresh where the condition on its row as it was
 * holds: enabled from `now` on (epoch ms), with nothing known of its receiver.
 */
export function freshStart(now: number, onlyIf: SQL): Record<string, SQL> {
  const forgotten = LEARNED.map((column) => [
    column,
    sql`CASE WHEN ${onlyIf} THEN NULL ELSE ${sql.raw(column)} END`,
  ])
  return {
    enabled_at: sql`CASE WHEN ${onlyIf} THEN ${now} ELSE enabled_at END`,
    ...Object.fromEntries(forgotten),
  }
}
