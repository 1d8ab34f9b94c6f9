import { and, asc, eq, isNull } from "drizzle-orm"

import { endpoints, eventTypes, subscriptions } from "../db/schema.ts"
import type { Deps } from "../deps.ts"

export interface Subscription {
  id: string
  eventTypeId: string
  eventType: string
  endpointId: string
  url: string
}

/** The application's subscriptions by event type, then registration, those of disabled endpoints included. */
export function listSubscriptions(
  deps: Deps,
  applicationId: string,
  filter: { eventType?: string } = {},
): Promise<Subscription[]> {
  return deps
    .database(applicationId)
    .orm.select({
      id: subscriptions.id,
      eventTypeId: subscriptions.eventTypeId,
      eventType: eventTypes.name,
      endpointId: subscriptions.endpointId,
      url: endpoints.url,
    })
    .from(eventTypes)
    .innerJoin(subscriptions, eq(subscriptions.eventTypeId, eventTypes.id))
    .innerJoin(endpoints, eq(endpoints.id, subscriptions.endpointId))
    .where(
      and(
        eq(eventTypes.applicationId, applicationId),
        isNull(endpoints.removedAt),
        filter.eventType === undefined ? undefined : eq(eventTypes.name, filter.eventType),
      ),
    )
    .orderBy(
      asc(eventTypes.createdAt),
      asc(eventTypes.id),
      asc(subscriptions.createdAt),
      asc(subscriptions.id),
    )
}
