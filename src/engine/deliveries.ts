import { and, asc, eq, gt } from "drizzle-orm"

import { deliveries } from "../db/schema.ts"
import type { Deps } from "../deps.ts"
import { notFound } from "./errors.ts"

const columns = {
  eventId: deliveries.eventId,
  endpointId: deliveries.endpointId,
  status: deliveries.status,
  reason: deliveries.reason,
  attempts: deliveries.attempts,
  nextAttemptAt: deliveries.nextAttemptAt,
  createdAt: deliveries.createdAt,
  endedAt: deliveries.endedAt,
}

export type Delivery = Pick<typeof deliveries.$inferSelect, keyof typeof columns>

/** What one event owes one endpoint; refuses with `not_found`. */
export async function getDelivery(
  deps: Deps,
  applicationId: string,
  eventId: string,
  endpointId: string,
): Promise<Delivery> {
  const [delivery] = await deps
    .database(applicationId)
    .orm.select(columns)
    .from(deliveries)
    .where(
      and(
        eq(deliveries.applicationId, applicationId),
        eq(deliveries.eventId, eventId),
        eq(deliveries.endpointId, endpointId),
      ),
    )
  if (!delivery) throw notFound("Delivery")
  return delivery
}

/** An event's deliveries by endpoint id, a page at a time. */
export function listDeliveries(
  deps: Deps,
  applicationId: string,
  eventId: string,
  page: { limit: number; after?: string },
): Promise<Delivery[]> {
  return deps
    .database(applicationId)
    .orm.select(columns)
    .from(deliveries)
    .where(
      and(
        eq(deliveries.applicationId, applicationId),
        eq(deliveries.eventId, eventId),
        page.after === undefined ? undefined : gt(deliveries.endpointId, page.after),
      ),
    )
    .orderBy(asc(deliveries.endpointId))
    .limit(page.limit)
}
