import { sql } from "drizzle-orm"

import type { Row } from "../../db/client.ts"
import type { Deps } from "../../platform/deps.ts"

export interface Subscription {
  id: string
  eventTypeId: string
  eventType: string
  endpointId: string
  url: string
}

/** The application's subscriptions by event type, then registration, those of disabled endpoints included. */
export async function listSubscriptions(
  deps: Deps,
  applicationId: string,
  filter: { eventType?: string } = {},
): Promise<Subscription[]> {
  const ofType = filter.eventType === undefined ? sql`true` : sql`t.name = ${filter.eventType}`
  const rows = await deps.shardOf(applicationId).read(sql`
    SELECT s.id, s.event_type_id, t.name AS event_type, s.endpoint_id, e.url
    FROM event_types t
    JOIN subscriptions s ON s.event_type_id = t.id
    JOIN endpoints e ON e.id = s.endpoint_id
    WHERE t.application_id = ${applicationId} AND e.removed_at IS NULL AND ${ofType}
    ORDER BY t.created_at, t.id, s.created_at, s.id`)
  return rows.map(readSubscription)
}

function readSubscription(row: Row): Subscription {
  return {
    id: row.id as string,
    eventTypeId: row.event_type_id as string,
    eventType: row.event_type as string,
    endpointId: row.endpoint_id as string,
    url: row.url as string,
  }
}
