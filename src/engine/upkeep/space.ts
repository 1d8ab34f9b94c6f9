import type { Db } from "../../db/client.ts"
import type { Deps } from "../../platform/deps.ts"
import { EngineError } from "../kit/errors.ts"
import { readState } from "./state.ts"

/** From this share of the database's limit on, nothing new is accepted; deliveries go on. */
const FULL = 0.95

/**
 * Refuses with `storage_full` while the database takes nothing new. Every verb that makes it grow asks first.
 * What goes on is what makes room or must not wait: removing, disabling, archiving, replacing a secret,
 * ending a token, and deliveries.
 */
export async function requireSpace(deps: Deps, applicationId: string): Promise<void> {
  return requireSpaceIn(deps, deps.shardOf(applicationId))
}

/** The same for what belongs to no application, in the database that has it. */
export async function requireSpaceIn(deps: Deps, db: Db): Promise<void> {
  // An isolate that has not asked this database anything yet goes by what the last sweep saw.
  const bytes = db.sizeBytes() || ((await readState(db))?.databaseBytes ?? 0)
  if (bytes > FULL * deps.config.databaseLimitBytes) {
    throw new EngineError(
      "storage_full",
      "The database is full: shorten RETENTION_DAYS or wait until events expire",
    )
  }
}
