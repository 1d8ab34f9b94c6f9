import { sql } from "drizzle-orm"

import { literal } from "../../db/literal.ts"
import type { Deps } from "../../platform/deps.ts"
import { getEndpoint } from "../endpoints/endpoint.ts"
import { EngineError } from "../kit/errors.ts"
import { type DeliveryProgress, isOfTime, placeSince, progressOf } from "./delivery.ts"

const DAY_MS = 24 * 3600 * 1000
const MAX_DAYS = 28
/** So that nobody has to mind how clocks differ who asks for the last 28 days. */
const CLOCKS_DIFFER_MS = 5 * 60 * 1000
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
  const now = deps.clock.now()
  const { until = now, since = until - MAX_DAYS * DAY_MS } = range
  if (until > now + CLOCKS_DIFFER_MS)
    throw new EngineError("invalid_range", "until must not be in the future", "until")
  if (since < until - MAX_DAYS * DAY_MS - CLOCKS_DIFFER_MS)
    throw new EngineError("invalid_range", `since must be at most ${MAX_DAYS} days before until`, "since")
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
