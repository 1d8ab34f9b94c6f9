import { type SQL, sql } from "drizzle-orm"

import type { Row } from "../../db/client.ts"
import { idAt } from "../../db/ids.ts"
import type { Deps } from "../../platform/deps.ts"
import {
  type Endpoint,
  endpointBytes,
  endpointFields,
  getEndpoint,
  toEndpoint,
} from "../endpoints/endpoint.ts"
import {
  type EventFilter,
  type EventWithPayload,
  eventColumns,
  getEvent,
  readEvent,
} from "../events/event.ts"
import type { PageRequest } from "../kit/page.ts"
import { allOf, hasChannel, isAmong, type ScannedPage, scanPage } from "../kit/scan.ts"

/**
 * How far a delivery is. Of the pending ones `retrying` has failed before and goes on, and `sending` is in
 * somebody's hands for the first time right now.
 */
export type DeliveryProgress = "delivered" | "pending" | "sending" | "retrying" | "failed" | "canceled"

export interface Progress {
  progress: DeliveryProgress
  nextAttemptAt: number | null
}

/** How much later than its event, at most, a delivery may seem to be older than it: clocks differ. */
const CLOCKS_DIFFER_MS = 60_000
/**
 * How much later than its event a delivery is made at most, but for backlogs: the first
 * minute is its own job's.
 */
const MADE_WITHIN_MS = 120_000

/** The condition that the delivery `d` is of an event of this time; `since` and `before` in epoch ms. */
export function isOfTime({ since, before }: Pick<EventFilter, "since" | "before">): SQL | undefined {
  if (since === undefined && before === undefined) return undefined
  const from = since === undefined ? sql`true` : sql`d.event_id >= ${idAt("event", since)}`
  return before === undefined ? from : sql`${from} AND d.event_id < ${idAt("event", before)}`
}

/**
 * Where deliveries of events from `since` on begin, in the order in which they were
 * made; undefined: anywhere.
 */
export function placeSince(since: number | undefined): string | undefined {
  return since === undefined ? undefined : idAt("attempt", since - CLOCKS_DIFFER_MS)
}

/**
 * The condition that the delivery `d` stands where those of events from `since` until `until` (epoch ms) do.
 */
export function isPlaced({ since, until }: { since?: number | undefined; until?: number | undefined }): SQL {
  const from = since === undefined ? sql`true` : sql`d.attempt_id >= ${placeSince(since)}`
  return until === undefined
    ? from
    : sql`${from} AND d.attempt_id < ${idAt("attempt", until + MADE_WITHIN_MS)}`
}

/**
 * The events owed to an endpoint, the newest delivery first, each with its `place` in the list and how far it
 * is; a page may be short of its limit.
 */
export async function listEndpointEvents(
  deps: Deps,
  applicationId: string,
  endpointIdOrUid: string,
  request: PageRequest,
  filter: EventFilter & { progress?: readonly DeliveryProgress[] | undefined },
): Promise<ScannedPage<EventWithPayload & Progress & { place: string }>> {
  const { id } = await getEndpoint(deps, applicationId, endpointIdOrUid)
  const page = await scanPage(deps.shardOf(applicationId), request, {
    table: sql`deliveries d`,
    place: [sql`d.event_id`, sql`d.endpoint_id`],
    owner: sql`d.endpoint_id = ${id}`,
    key: sql`d.attempt_id`,
    from: placeSince(filter.since),
    joins: sql`CROSS JOIN events t ON t.application_id = d.application_id AND t.id = d.event_id`,
    filter: allOf(
      sql`t.ping_id IS NULL`,
      isOfTime(filter),
      isAmong(sql`t.event_type`, filter.eventTypes),
      hasChannel(sql`t.channels`, filter.channel),
      isAmong(progressOf(deps), filter.progress),
    ),
    columns: sql`${eventColumns}, ${filter.withPayload ? sql`t.payload` : sql`NULL AS payload`},
      ${progressColumns(deps)}`,
    bytes: filter.withPayload ? sql`octet_length(t.payload)` : sql`0`,
  })
  return {
    ...page,
    rows: page.rows.map((row) => ({ ...readEvent(row), ...readProgress(row), place: row.k as string })),
  }
}

/**
 * The endpoints that an event is owed to, removed ones too, in the order of their ids, and
 * how far each delivery is.
 */
export async function listEventEndpoints(
  deps: Deps,
  applicationId: string,
  eventIdOrUid: string,
  request: PageRequest,
): Promise<ScannedPage<Endpoint & Progress>> {
  const { id } = await getEvent(deps, applicationId, eventIdOrUid)
  const page = await scanPage(deps.shardOf(applicationId), request, {
    table: sql`deliveries d`,
    place: [sql`d.event_id`, sql`d.endpoint_id`],
    owner: sql`d.event_id = ${id}`,
    key: sql`d.endpoint_id`,
    joins: sql`CROSS JOIN endpoints e ON e.id = d.endpoint_id`,
    columns: sql`${endpointFields}, ${progressColumns(deps)}`,
    bytes: endpointBytes,
  })
  return { ...page, rows: page.rows.map((row) => ({ ...toEndpoint(row), ...readProgress(row) })) }
}

/** The progress of the delivery `d`, as SQL. */
export function progressOf(deps: Deps): SQL {
  return sql`CASE
    WHEN d.status <> 'pending' THEN d.status
    WHEN d.attempts > 0 THEN 'retrying'
    WHEN d.next_attempt_at <= ${deps.clock.now()} AND EXISTS (
      SELECT 1 FROM endpoints h WHERE h.id = d.endpoint_id AND h.leased_until > ${deps.clock.now()}
    ) THEN 'sending'
    ELSE 'pending' END`
}

/** The columns of the delivery `d` that `readProgress` takes. */
export function progressColumns(deps: Deps): SQL {
  return sql`${progressOf(deps)} AS progress, CASE d.status WHEN 'pending' THEN d.next_attempt_at END AS next_attempt_at`
}

export function readProgress(row: Row): Progress {
  return {
    progress: row.progress as DeliveryProgress,
    nextAttemptAt: row.next_attempt_at as number | null,
  }
}
