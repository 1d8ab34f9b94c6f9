import { type SQL, sql } from "drizzle-orm"

import type { Row } from "../../db/client.ts"
import type { Deps } from "../../platform/deps.ts"
import { type Endpoint, endpointsOf } from "../endpoints/endpoint.ts"
import { getEvent } from "../events/event.ts"
import type { PageRequest } from "../kit/page.ts"
import { type ScannedPage, scanPage } from "../kit/scan.ts"
import type { DeliveryReason } from "../pipeline/state.ts"
import { type Absence, explainAbsence, type MatchedEndpoint } from "../rules/match.ts"
import { type Progress, progressColumns, readProgress } from "./delivery.ts"

export type { DeliveryReason }

/** One endpoint, and what an event has come to there: a delivery, or why there is none. */
export type Verdict = { endpoint: Pick<Endpoint, "id" | "uid" | "url" | "disabledReason"> } & (
  | { delivery: Progress & { reason: DeliveryReason | null }; absence: null }
  | { delivery: null; absence: Absence }
)

/**
 * What an event of the application has come to at each of its endpoints, in the order of their ids: those
 * that were deleted after it happened too. Why there is no delivery is explained by what the endpoint is now.
 * A page may be short of its limit. Refuses with `not_found`.
 */
export async function listVerdicts(
  deps: Deps,
  applicationId: string,
  eventIdOrUid: string,
  request: PageRequest,
): Promise<ScannedPage<Verdict>> {
  const event = await getEvent(deps, applicationId, eventIdOrUid)
  const page = await scanPage(deps.shardOf(applicationId), request, {
    ...endpointsOf(applicationId, { removed: true }),
    joins: sql`
      CROSS JOIN events v ON v.application_id = ${applicationId} AND v.id = ${event.id}
      LEFT JOIN deliveries d ON d.event_id = v.id AND d.endpoint_id = e.id`,
    filter: sql`(e.removed_at IS NULL OR e.removed_at >= ${event.createdAt})`,
    columns: sql`${matchedColumns(sql`v.event_type_id`)}, d.status, d.reason, ${progressColumns(deps)}`,
  })
  return { ...page, rows: page.rows.map((row) => readVerdict(row, (one) => explainAbsence(event, one))) }
}

/**
 * The columns of the endpoint `e` that `readMatched` takes; what it subscribes to is
 * asked for one event type.
 */
export function matchedColumns(eventTypeId: SQL): SQL {
  return sql`e.id, e.uid, e.url, e.created_at, e.removed_at, e.disabled_at, e.disabled_reason, e.channels, e.all_event_types_since, (
    SELECT s.created_at FROM subscriptions s
    WHERE s.event_type_id = ${eventTypeId} AND s.application_id = e.application_id AND s.endpoint_id = e.id
  ) AS subscribed_at`
}

export function readMatched(row: Row): MatchedEndpoint {
  return {
    id: row.id as string,
    createdAt: row.created_at as number,
    removedAt: row.removed_at as number | null,
    disabledAt: row.disabled_at as number | null,
    subscribedAt: row.subscribed_at as number | null,
    allEventTypesSince: row.all_event_types_since as number | null,
    channels: row.channels === null ? null : JSON.parse(row.channels as string),
  }
}

export function readNamed(row: Row): Verdict["endpoint"] {
  return {
    id: row.id as string,
    uid: row.uid as string | null,
    url: row.url as string,
    disabledReason: row.disabled_reason as Endpoint["disabledReason"],
  }
}

function readVerdict(row: Row, absenceOf: (endpoint: MatchedEndpoint) => Absence): Verdict {
  const endpoint = readNamed(row)
  return row.status === null
    ? { endpoint, delivery: null, absence: absenceOf(readMatched(row)) }
    : {
        endpoint,
        delivery: { ...readProgress(row), reason: row.reason as DeliveryReason | null },
        absence: null,
      }
}
