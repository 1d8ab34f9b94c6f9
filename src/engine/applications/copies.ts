import { type SQL, sql } from "drizzle-orm"

import type { Db } from "../../db/client.ts"
import type { Resident } from "../../db/directory.ts"
import type { Deps } from "../../platform/deps.ts"
import { CATALOG } from "./built-in.ts"

/**
 * The statements that make or renew a shard's copy of an application that lives there: its id, which rows
 * refer to, its uid, which operational events name, and its rate. They belong ahead of what needs the copy,
 * in its batch. None where the directory itself is the shard. A copy that is marked as removed stays so.
 */
export function copyApplication(deps: Deps, applicationId: string): SQL[] {
  const resident = deps.residents.get(applicationId)
  return resident ? copyInto(deps.shardOf(applicationId), resident, deps.clock.now()) : []
}

/** The same for any shard, be it that the application is leaving it, or arriving there. */
export function copyInto(
  db: Db,
  { id, uid, throttleRate }: Pick<Resident, "id" | "uid" | "throttleRate">,
  now: number,
): SQL[] {
  if (isDirectory(db)) return []
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

/**
 * The statements that copy event types of the catalog, id and name alone, into the shard that subscribes to
 * them. A type that was deleted and made again has another id: the copy of the old one goes, or the batch
 * breaks while somebody still subscribes to it.
 */
export function copyTypes(db: Db, types: readonly { id: string; name: string }[], now: number): SQL[] {
  if (isDirectory(db) || types.length === 0) return []
  const copied = sql`json_each(${JSON.stringify(types)})`
  return [
    sql`
      DELETE FROM event_types AS t WHERE t.application_id = ${CATALOG}
        AND t.name IN (SELECT value->>'name' FROM ${copied})
        AND t.id NOT IN (SELECT value->>'id' FROM ${copied})
        AND NOT EXISTS (SELECT 1 FROM subscriptions s WHERE s.event_type_id = t.id)`,
    sql`
      INSERT INTO event_types (id, application_id, name, created_at, updated_at)
      SELECT value->>'id', ${CATALOG}, value->>'name', ${now}, ${now} FROM ${copied}
      WHERE NOT EXISTS (SELECT 1 FROM event_types t WHERE t.id = value->>'id')`,
  ]
}

/** Whether a shard's database is the directory's as well: then it needs no copies. */
export function isDirectory(db: Db): boolean {
  return db.shard === 0
}
