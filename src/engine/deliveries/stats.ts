import { type SQL, sql } from "drizzle-orm"

import type { Row } from "../../db/client.ts"
import { literal } from "../../db/literal.ts"
import type { Deps } from "../../platform/deps.ts"
import { getEndpoint } from "../endpoints/endpoint.ts"
import { SCANNED_ROWS } from "../kit/scan.ts"
import { type DeliveryProgress, isOfTime, placeSince, progressOf } from "./delivery.ts"
import { rangeOf } from "./range.ts"

/** The newest deliveries that are counted: what one statement can look at in time. */
const COUNTED_DELIVERIES = 100_000
/** Deliveries of one event that are counted for a list of events. */
export const COUNTED_OF_EVENT = 100

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
  const newest = newestOf(
    sql`d.endpoint_id = ${endpoint.id} AND d.attempt_id >= ${placeSince(since)}
      AND ${isOfTime({ since, before: until + 1 })}`,
    COUNTED_DELIVERIES,
  )
  return readStats(await deps.shardOf(applicationId).read(countOf(deps, endpoint.id, newest)))
}

/**
 * How far the newest deliveries of an endpoint are: of as many as one page of its filtered list looks at, for whoever asks
 * every few seconds. `isComplete`: there are no others. Refuses with `not_found`.
 */
export async function countNewestDeliveries(
  deps: Deps,
  applicationId: string,
  endpointIdOrUid: string,
): Promise<{ stats: EndpointStats; isComplete: boolean }> {
  const { id } = await getEndpoint(deps, applicationId, endpointIdOrUid)
  const { counted, beyond } = await deps.shardOf(applicationId).readAll({
    counted: countOf(deps, id, newestOf(sql`d.endpoint_id = ${id}`, SCANNED_ROWS)),
    beyond: sql`
      SELECT 1 FROM deliveries d WHERE d.endpoint_id = ${id}
      ORDER BY d.attempt_id DESC LIMIT 1 OFFSET ${literal(SCANNED_ROWS)}`,
  })
  return { stats: readStats(counted), isComplete: beyond.length === 0 }
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

function newestOf(which: SQL, most: number): SQL {
  return sql`
    SELECT d.event_id FROM deliveries d WHERE ${which} ORDER BY d.attempt_id DESC LIMIT ${literal(most)}`
}

function countOf(deps: Deps, endpointId: string, picked: SQL): SQL {
  return sql`
    SELECT ${progressOf(deps)} AS progress, count(*) AS deliveries FROM (${picked}) p
    CROSS JOIN deliveries d ON d.event_id = p.event_id AND d.endpoint_id = ${endpointId}
    CROSS JOIN events v ON v.application_id = d.application_id AND v.id = d.event_id AND v.ping_id IS NULL
    GROUP BY 1`
}

function readStats(rows: readonly Row[]): EndpointStats {
  const stats: EndpointStats = { delivered: 0, pending: 0, sending: 0, retrying: 0, failed: 0, canceled: 0 }
  for (const row of rows) stats[row.progress as DeliveryProgress] = row.deliveries as number
  return stats
}
