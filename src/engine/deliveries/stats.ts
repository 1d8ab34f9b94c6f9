import { sql } from "drizzle-orm"

import { literal } from "../../db/literal.ts"
import type { Deps } from "../../platform/deps.ts"
import { getEndpoint } from "../endpoints/endpoint.ts"
import { type DeliveryProgress, isOfTime, placeSince, progressOf } from "./delivery.ts"
import { rangeOf } from "./range.ts"

/** The newest deliveries that are counted: what one statement can look at in time. */
const COUNTED_DELIVERIES = 100_000

export type EndpointStats = Record<DeliveryProgress, number>

/**
 * How many deliveries of an endpoint are how far, of events from `since` until `until` (epoch ms): the last 28
 * days if not given. Refuses with `not_found` or `invalid_range` (longer ago, or in the future).
 */
export async function countDeliveries(
  deps: Deps,
  applicationId: string,
  endpointIdOrUid: string,
  range: { since?: number | undefined; until?: number | undefined },
): Promise<EndpointStats> {
  const { since, until } = rangeOf(deps, range)
  const endpoint = await getEndpoint(deps, applicationId, endpointIdOrUid)
  const rows = await deps.shardOf(applicationId).read(sql`
    SELECT ${progressOf(deps)} AS progress, count(*) AS deliveries FROM (
      SELECT d.event_id FROM deliveries d
      WHERE d.endpoint_id = ${endpoint.id} AND d.attempt_id >= ${placeSince(since)}
        AND ${isOfTime({ since, before: until + 1 })}
      ORDER BY d.attempt_id DESC LIMIT ${literal(COUNTED_DELIVERIES)}
    ) p CROSS JOIN deliveries d ON d.event_id = p.event_id AND d.endpoint_id = ${endpoint.id}
    CROSS JOIN events v ON v.application_id = d.application_id AND v.id = d.event_id AND v.ping_id IS NULL
    GROUP BY 1`)
  const stats: EndpointStats = { delivered: 0, pending: 0, sending: 0, retrying: 0, failed: 0, canceled: 0 }
  for (const row of rows) stats[row.progress as DeliveryProgress] = row.deliveries as number
  return stats
}
