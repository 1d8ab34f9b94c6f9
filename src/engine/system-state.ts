import { type SQL, sql } from "drizzle-orm"

import type { Db } from "../db/client.ts"

export type StateKey = "last_sweep_at" | "database_bytes" | "retention_cursor"

/** A number that the system keeps about itself; 0 when it was never set. */
export async function readState(db: Db, key: StateKey): Promise<number> {
  const [rows = []] = await db.batch([sql`SELECT value FROM system_state WHERE key = ${key}`])
  return (rows.at(0)?.value as number | undefined) ?? 0
}

export function setState(key: StateKey, value: number): SQL {
  return sql`
    INSERT INTO system_state (key, value) VALUES (${key}, ${value})
    ON CONFLICT (key) DO UPDATE SET value = excluded.value`
}
