import { sql } from "drizzle-orm"

import { idAt } from "../db/ids.ts"
import type { Deps } from "../deps.ts"
import { type DeliveryProgress, progressOf } from "./deliveries.ts"
import { getEndpoint } from "./endpoints.ts"
import { EngineError } from "./errors.ts"

const DAY_MS = 24 * 3600 * 1000
const MAX_DAYS = 28
/** So that nobody has to mind how clocks differ who asks for the last 28 days. */
const CLOCKS_DIFFER_MS = 5 * 60 * 1000
/** The newest deliveries that are counted: what one statement can look at in time. */
export const COUNTED_DELIVERIES = 100_000

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
  const [rows = []] = await deps.database(applicationId).batch([
    sql`
      SELECT ${progressOf(deps)} AS progress, count(*) AS deliveries FROM (
        SELECT rowid AS place FROM deliveries
        WHERE endpoint_id = ${endpoint.id} AND event_id >= ${idAt("event", since)}
          AND event_id < ${idAt("event", until + 1)}
        ORDER BY event_id DESC LIMIT ${COUNTED_DELIVERIES}
      ) p CROSS JOIN deliveries d ON d.rowid = p.place
      CROSS JOIN events v ON v.id = d.event_id AND v.ping_id IS NULL
      GROUP BY 1`,
  ])
  const stats: EndpointStats = { delivered: 0, pending: 0, sending: 0, retrying: 0, failed: 0, canceled: 0 }
  for (const row of rows) stats[row.progress as DeliveryProgress] = row.deliveries as number
  return stats
}
