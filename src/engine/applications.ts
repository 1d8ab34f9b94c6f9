import { and, eq, isNull, or } from "drizzle-orm"

import { applications } from "../db/schema.ts"
import type { Deps } from "../deps.ts"
import { notFound } from "./errors.ts"

/** Owns the event types that applications made through the management API share; never listed itself. */
export const CATALOG = "app_catalog"
/** Its messages tell what happens to endpoints and messages. */
export const OPERATIONS = "app_operations"

export interface Application {
  id: string
  uid: string | null
  name: string
  throttleRate: number | null
  metadata: Record<string, string>
  createdAt: number
  updatedAt: number
}

const columns = {
  id: applications.id,
  uid: applications.uid,
  name: applications.name,
  throttleRate: applications.throttleRate,
  metadata: applications.metadata,
  createdAt: applications.createdAt,
  updatedAt: applications.updatedAt,
}

/** The application with this id or uid; refuses with `not_found`. */
export async function getApplication(deps: Deps, idOrUid: string): Promise<Application> {
  const [found] = await deps
    .database(CATALOG)
    .orm.select(columns)
    .from(applications)
    .where(
      and(or(eq(applications.id, idOrUid), eq(applications.uid, idOrUid)), isNull(applications.removedAt)),
    )
    .limit(1)
  if (!found || found.id === CATALOG) throw notFound("Application")
  return found
}
