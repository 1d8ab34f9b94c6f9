import { and, asc, eq, gt } from "drizzle-orm"

import { attempts } from "../db/schema.ts"
import type { Deps } from "../deps.ts"
import { notFound } from "./errors.ts"

export type AttemptRecord = typeof attempts.$inferSelect

/** One attempt of the application's event; refuses with `not_found`. */
export async function getAttempt(
  deps: Deps,
  applicationId: string,
  eventId: string,
  id: string,
): Promise<AttemptRecord> {
  const [attempt] = await deps
    .database(applicationId)
    .orm.select()
    .from(attempts)
    .where(and(eq(attempts.applicationId, applicationId), eq(attempts.eventId, eventId), eq(attempts.id, id)))
  if (!attempt) throw notFound("Attempt")
  return attempt
}

/** An event's attempts, oldest first, a page at a time; those to one endpoint if it is named. */
export function listAttempts(
  deps: Deps,
  applicationId: string,
  eventId: string,
  page: { limit: number; after?: string; endpointId?: string },
): Promise<AttemptRecord[]> {
  return deps
    .database(applicationId)
    .orm.select()
    .from(attempts)
    .where(
      and(
        eq(attempts.applicationId, applicationId),
        eq(attempts.eventId, eventId),
        page.endpointId === undefined ? undefined : eq(attempts.endpointId, page.endpointId),
        page.after === undefined ? undefined : gt(attempts.id, page.after),
      ),
    )
    .orderBy(asc(attempts.id))
    .limit(page.limit)
}
