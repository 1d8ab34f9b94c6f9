import { type SQL, sql } from "drizzle-orm"

import type { Db } from "../../db/client.ts"
import type { Deps } from "../../platform/deps.ts"
import { CATALOG } from "./built-in.ts"

/**
 * The statements that make or renew a shard's copy of an application that lives there: its id, which rows refer to, its uid,
 * which operational events tell, and its rate. They belong ahead of what needs the copy, in its batch. None where the
 * directory itself is the shard. A copy that is marked as removed stays so.
 */
export function copyApplication(deps: Deps, applicationId: string): SQL[] {
  const db = deps.shardOf(applicationId)
  const resident = deps.residents.get(applicationId)
  if (isDirectory(db) || !resident) return []
  const { id, uid, throttleRate } = resident
  const now = deps.clock.now()
  return [
    // The uid may have been another application's, whose copy has not heard yet that it is no more.
    sql`UPDATE applications SET uid = NULL WHERE uid = ${uid} AND id <> ${id}`,
    sql`
      INSERT INTO applications (id, uid, name, throttle_rate, shard, created_at, updated_at)
      VALUES (${id}, ${uid}, '', ${throttleRate}, ${db.shard}, ${now}, ${now})
      ON CONFLICT (id) DO UPDATE SET uid = excluded.uid, throttle_rate = excluded.throttle_rate
      WHERE (applications.uid IS NOT excluded.uid OR applications.throttle_rate IS NOT excluded.throttle_rate)
        AND applications.removed_at IS NULL`,
  ]
}

/** The statements that copy event types of the catalog, id and name alone, into the shard that subscribes to them. */
export function copyTypes(db: Db, types: readonly { id: string; name: string }[], now: number): SQL[] {
  if (isDirectory(db) || types.length === 0) return []
  return [
    sql`
      INSERT INTO event_types (id, application_id, name, created_at, updated_at)
      SELECT value->>'id', ${CATALOG}, value->>'name', ${now}, ${now} FROM json_each(${JSON.stringify(types)}) WHERE true
      ON CONFLICT DO NOTHING`,
  ]
}

/** Whether a shard's database is the directory's as well: then it needs no copies. */
export function isDirectory(db: Db): boolean {
  return db.shard === 0
}
