import { sql } from "drizzle-orm"

import type { Row } from "../../db/client.ts"
import { literal } from "../../db/literal.ts"
import type { Deps } from "../../platform/deps.ts"
import { getEndpoint } from "../endpoints/endpoint.ts"
import { allOf, SCANNED_ROWS } from "../kit/scan.ts"
import { type DeliveryProgress, isOfTime, isPlaced, progressOf } from "./delivery.ts"
import { rangeOf } from "./range.ts"

/** Deliveries of one event that are counted for a list of events. */
export const COUNTED_OF_EVENT = 100

export type EndpointStats = Record<DeliveryProgress, number>

/**
 * How far the newest deliveries of an endpoint are, as many as one page of a list looks at, of events from `since` until
 * `until` (epoch ms): of the last 28 days if not given. Refuses with `not_found` or `invalid_range` (longer ago, or in the future).
 */
export async function countDeliveries(
  deps: Deps,
  applicationId: string,
  endpointIdOrUid: string,
  range: { since?: number | undefined; until?: number | undefined },
): Promise<EndpointStats> {
  const { stats } = await countNewestDeliveries(deps, applicationId, endpointIdOrUid, rangeOf(deps, range))
  return stats
}

/**
 * The same, of all that is kept if no time is given. `isComplete`: there are no others of that time. Refuses with
 * `not_found`.
 */
export async function countNewestDeliveries(
  deps: Deps,
  applicationId: string,
  endpointIdOrUid: string,
  { since, until }: { since?: number | undefined; until?: number | undefined } = {},
): Promise<{ stats: EndpointStats; isComplete: boolean }> {
  const { id } = await getEndpoint(deps, applicationId, endpointIdOrUid)
  const before = until === undefined ? undefined : until + 1
  const isCounted = allOf(sql`v.ping_id IS NULL`, isOfTime({ since, before }))
  const rows = await deps.shardOf(applicationId).read(sql`
    SELECT ${progressOf(deps)} AS progress, count(*) AS looked_at, count(*) FILTER (WHERE ${isCounted}) AS deliveries
    FROM (
      SELECT d.event_id FROM deliveries d WHERE ${allOf(sql`d.endpoint_id = ${id}`, isPlaced({ since, until }))}
      ORDER BY d.attempt_id DESC LIMIT ${literal(SCANNED_ROWS)}
    ) p
    CROSS JOIN deliveries d ON d.event_id = p.event_id AND d.endpoint_id = ${id}
    CROSS JOIN events v ON v.application_id = d.application_id AND v.id = d.event_id
    GROUP BY 1`)
  const lookedAt = rows.reduce((sum, row) => sum + (row.looked_at as number), 0)
  return { stats: readStats(rows), isComplete: lookedAt < SCANNED_ROWS }
}

/**
 * How far the deliveries of each of these events are, by the event's id: of the first hundred endpoints that it is owed to.
 * Ids that are nobody's here, and pings, are left out.
 */
export async function countByEvent(
  deps: Deps,
  applicationId: string,
  eventIds: readonly string[],
): Promise<Map<string, EndpointStats>> {
  const rows = await deps.shardOf(applicationId).read(sql`
    SELECT v.id AS event_id, ${progressOf(deps)} AS progress, count(d.event_id) AS deliveries
    FROM json_each(${JSON.stringify(eventIds)}) k
    CROSS JOIN events v ON v.application_id = ${applicationId} AND v.id = k.value AND v.ping_id IS NULL
    LEFT JOIN deliveries d ON d.event_id = v.id AND d.endpoint_id IN (
      SELECT x.endpoint_id FROM deliveries x WHERE x.event_id = v.id
      ORDER BY x.endpoint_id LIMIT ${literal(COUNTED_OF_EVENT)}
    )
    GROUP BY 1, 2`)
  const byEvent = Map.groupBy(rows, (row) => row.event_id as string)
  return new Map([...byEvent].map(([id, counted]) => [id, readStats(counted)]))
}

function readStats(rows: readonly Row[]): EndpointStats {
  const stats: EndpointStats = { delivered: 0, pending: 0, sending: 0, retrying: 0, failed: 0, canceled: 0 }
  for (const row of rows) stats[row.progress as DeliveryProgress] = row.deliveries as number
  return stats
}
