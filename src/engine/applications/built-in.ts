import { isMade } from "../../db/ids.ts"

/** Owns the event types that applications made through the management API share; never listed itself. */
export const CATALOG = "app_catalog"
/** Owns the operational events: what happens to endpoints and deliveries of all others. */
export const OPERATIONS = "app_operations"

/**
 * Whether an application comes with the system, a family's or our own: it keeps its uid, and it stays. Its id
 * has a word: a migration of seeds has made it.
 */
export function isBuiltIn(id: string): boolean {
  return !isMade("application", id)
}
