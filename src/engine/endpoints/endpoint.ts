import { type SQL, sql } from "drizzle-orm"

import type { Row } from "../../db/client.ts"
import type { endpoints } from "../../db/schema/endpoints.ts"
import type { Deps } from "../../platform/deps.ts"
import { endpointEvent, nudgeOperations } from "../events/operational.ts"
import { EngineError, notFound } from "../kit/errors.ts"
import type { Page, PageRequest } from "../kit/page.ts"
import { scanPage } from "../kit/scan.ts"
import { callDrain } from "../pipeline/schedule.ts"
import { checkTargetUrl } from "../rules/target-url.ts"
import { removeAll } from "./remove.ts"

export const UID_TAKEN = { "endpoints.uid": "Another endpoint of this application has this uid already" }

/** What a client may set of an endpoint; null clears. */
export interface EndpointSettings {
  uid: string | null
  url: string
  description: string
  channels: readonly string[] | null
  metadata: Readonly<Record<string, string>>
  throttleRate: number | null
  /** The version of the receiver's own interface: kept for clients, not read here. */
  version: number
  /** Names of event types; null: all there are and will be. */
  eventTypes: readonly string[] | null
  disabled: boolean
}

/** By hand, by a farewell of the receiver's (410, or in a header), or by failing for too long. */
export type DisabledReason = NonNullable<(typeof endpoints.$inferSelect)["disabledReason"]>

export interface Endpoint extends Omit<EndpointSettings, "disabled"> {
  id: string
  /** Since when; null while it is enabled. */
  disabledAt: number | null
  disabledReason: DisabledReason | null
  createdAt: number
  updatedAt: number
}

/** The columns of the endpoint `e` that `toEndpoint` takes. */
export const endpointFields = sql`
  e.id, e.uid, e.url, e.description, e.channels, e.metadata, e.throttle_rate, e.version, e.disabled_at,
  e.disabled_reason, e.created_at, e.updated_at, CASE WHEN e.all_event_types_since IS NULL THEN (
    SELECT json_group_array(name) FROM (
      SELECT DISTINCT t.name FROM subscriptions s JOIN event_types t ON t.id = s.event_type_id
      WHERE s.endpoint_id = e.id ORDER BY t.name
    )
  ) END AS event_types`

/** The size of what `endpointFields` selects, where it may be large. */
export const endpointBytes = sql`(
  octet_length(e.url) + octet_length(e.description) + octet_length(e.metadata) + (
    SELECT coalesce(sum(octet_length(t.name)), 0)
    FROM subscriptions s JOIN event_types t ON t.id = s.event_type_id WHERE s.endpoint_id = e.id
  )
)`

/** Selects one endpoint of the application by its id or uid, as long as it is not removed. */
export function endpointRow(applicationId: string, idOrUid: string): SQL {
  return sql`SELECT ${endpointFields} FROM endpoints e WHERE ${isNamed(applicationId, idOrUid)}`
}

/** The condition that the endpoint `e` is the application's one with this id or uid, and not removed. */
export function isNamed(applicationId: string, idOrUid: string): SQL {
  return sql`e.application_id = ${applicationId} AND (e.id = ${idOrUid} OR e.uid = ${idOrUid})
    AND e.removed_at IS NULL`
}

/** The application's endpoint with this id or uid; refuses with `not_found`. */
export async function getEndpoint(deps: Deps, applicationId: string, idOrUid: string): Promise<Endpoint> {
  const found = await findEndpoint(deps, applicationId, idOrUid)
  if (!found) throw notFound("Endpoint")
  return found
}

/** The application's endpoint with this id or uid; null if there is none. */
export async function findEndpoint(
  deps: Deps,
  applicationId: string,
  idOrUid: string,
): Promise<Endpoint | null> {
  const [row] = await deps.shardOf(applicationId).read(endpointRow(applicationId, idOrUid))
  return row ? toEndpoint(row) : null
}

/**
 * The application's endpoints in the order they were made, a page at a time; it may be short of its limit.
 */
export async function listEndpoints(
  deps: Deps,
  applicationId: string,
  request: PageRequest,
): Promise<Page<Endpoint>> {
  const { rows, done } = await scanPage(deps.shardOf(applicationId), request, {
    ...endpointsOf(applicationId),
    columns: endpointFields,
    bytes: endpointBytes,
  })
  return { rows: rows.map(toEndpoint), done }
}

/** The application's endpoints in the order of their ids, for `scanPage`; removed ones too if asked for. */
export function endpointsOf(applicationId: string, { removed = false }: { removed?: boolean } = {}) {
  const own = sql`e.application_id = ${applicationId}`
  return {
    table: sql`endpoints e`,
    place: [sql`e.id`],
    owner: removed ? own : sql`${own} AND e.removed_at IS NULL`,
    key: sql`e.id`,
  }
}

/** The condition that the application may have one more endpoint. */
export function hasRoomForEndpoint(deps: Deps, applicationId: string): SQL {
  return sql`(
    SELECT count(*) FROM endpoints WHERE application_id = ${applicationId} AND removed_at IS NULL
  ) < ${deps.config.maxEndpointsPerApplication}`
}

export function tooManyEndpoints(deps: Deps): EngineError {
  const most = deps.config.maxEndpointsPerApplication
  return new EngineError(
    "limit_reached",
    `The application has ${most} endpoints already: remove one, or raise MAX_ENDPOINTS_PER_APPLICATION`,
  )
}

/** Whether a text may be the uid of an endpoint: no id may ever be mistaken for one. */
export function isEndpointUid(text: string): boolean {
  return !text.startsWith("ep_")
}

/** Removes an endpoint: it gets nothing from then on, pending retries included. Refuses with `not_found`. */
export async function removeEndpoint(deps: Deps, applicationId: string, idOrUid: string): Promise<void> {
  const { id } = await getEndpoint(deps, applicationId, idOrUid)
  const db = deps.shardOf(applicationId)
  const { operational, due } = await db.batch({
    operational: endpointEvent(deps, db, "endpoint.deleted", id, sql`e.removed_at IS NULL`),
    removed: removeAll(sql`SELECT ${id}`, deps.clock.now()),
    due: sql`SELECT 1 FROM endpoints WHERE id = ${id} AND due_at IS NOT NULL`,
  })
  await nudgeOperations(deps, db, operational)
  if (due.length > 0) await callDrain(deps, db)
}

/**
 * The URL, parsed, if it may be a target; refuses with `refused_target` and a sentence
 * that says what to change.
 */
export function refuseBadTarget(deps: Deps, url: string, ownOrigin: string): URL {
  const target = checkTargetUrl(url, {
    allowPrivate: deps.config.allowPrivateTargets,
    ownOrigins: [ownOrigin, ...(deps.config.publicUrl === null ? [] : [deps.config.publicUrl])],
  })
  if (!target.ok) throw new EngineError("refused_target", target.message, "url")
  return target.url
}

/** The endpoint of a row that `endpointRow` selects. */
export function toEndpoint(row: Row): Endpoint {
  return {
    id: row.id as string,
    uid: row.uid as string | null,
    url: row.url as string,
    description: row.description as string,
    channels: JSON.parse((row.channels as string | null) ?? "null"),
    metadata: JSON.parse(row.metadata as string),
    throttleRate: row.throttle_rate as number | null,
    version: row.version as number,
    eventTypes: JSON.parse((row.event_types as string | null) ?? "null"),
    disabledAt: row.disabled_at as number | null,
    disabledReason: row.disabled_reason as Endpoint["disabledReason"],
    createdAt: row.created_at as number,
    updatedAt: row.updated_at as number,
  }
}
