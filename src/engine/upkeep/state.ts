import { type SQL, sql } from "drizzle-orm"

import type { Db, Row } from "../../db/client.ts"
import { systemState } from "../../db/schema/system.ts"
import { shapeOf } from "../../db/shape.ts"

const shape = shapeOf(systemState)

/** What a database knows of itself; times in epoch ms, 0 for what was never noted. */
export type SystemState = Omit<typeof systemState.$inferSelect, "key">

/** Selects the one row there is, if there is one: before the first sweep there is none. */
export const selectState = sql`SELECT ${shape.columns("s")} FROM system_state s WHERE s.key = 'sweep'`

/** Null before the first sweep. */
export async function readState(db: Db): Promise<SystemState | null> {
  const [row] = await db.read(selectState)
  return row ? readStateRow(row) : null
}

export function readStateRow(row: Row): SystemState {
  return shape.read(row)
}

/** Notes a sweep: when it was over, and how large the database is as far as anybody has seen (0: nobody). */
export function noteSweep(now: number, bytes: number): SQL {
  return sql`
    INSERT INTO system_state (key, last_sweep_at, database_bytes) VALUES ('sweep', ${now}, ${bytes})
    ON CONFLICT (key) DO UPDATE SET last_sweep_at = excluded.last_sweep_at,
      database_bytes = coalesce(nullif(excluded.database_bytes, 0), database_bytes)`
}

/** Notes the last `seq` that retention has passed over; 0: it begins anew. */
export function moveRetention(seq: number): SQL {
  return sql`
    INSERT INTO system_state (key, retention_cursor) VALUES ('sweep', ${seq})
    ON CONFLICT (key) DO UPDATE SET retention_cursor = excluded.retention_cursor`
}
