import { and, eq, isNull, sql } from "drizzle-orm"

import { endpoints } from "../db/schema.ts"
import type { Deps } from "../deps.ts"
import type { Change } from "./change.ts"
import {
  type Endpoint,
  type EndpointSettings,
  endpointRow,
  findEndpoint,
  getEndpoint,
  isEndpointUid,
  refuseBadTarget,
  toEndpoint,
  UID_TAKEN,
} from "./endpoints.ts"
import { notFound, orConflict } from "./errors.ts"
import { resolveEventTypes } from "./event-types.ts"
import { createEndpoint, subscribe } from "./new-endpoint.ts"
import { nudgeOperations, operationalEvent } from "./operational-events.ts"
import { earliestDue, readDue, refreshDueAt, scheduleDrain } from "./pipeline/due.ts"

export interface EndpointChange extends Change<EndpointSettings> {
  applicationId: string
  /** Id or uid. */
  endpoint: string
  /** The origin this request came in on: never a target. */
  ownOrigin: string
}

const TAKEN = {
  ...UID_TAKEN,
  "endpoints.url_key": "This application has one endpoint a URL, and another one has this URL already",
}

/**
 * Changes what is named of an endpoint, in one batch. Enabling starts afresh; a subscription that stays keeps
 * its age. Refuses with `not_found`, `refused_target`, `invalid` (event types) or `conflict` (uid, URL).
 */
export async function changeEndpoint(deps: Deps, change: EndpointChange): Promise<Endpoint> {
  const { applicationId, url, eventTypes } = change
  const db = deps.database(applicationId)
  const { id } = await getEndpoint(deps, applicationId, change.endpoint)
  const href = url === undefined ? undefined : refuseBadTarget(deps, url, change.ownOrigin).href
  const types = eventTypes && (await resolveEventTypes(deps, applicationId, eventTypes, id))
  const now = deps.clock.now()
  const { allEventTypesSince, urlKey } = endpoints
  const results = await orConflict(
    db.batch([
      ...(types ? [subscribe(deps, id, types, now), keepOnly(id, types)] : []),
      db.orm
        .update(endpoints)
        .set({
          updatedAt: now,
          uid: change.uid,
          url: href,
          urlKey: href === undefined ? undefined : sql`CASE WHEN ${urlKey} IS NOT NULL THEN ${href} END`,
          description: change.description,
          channels: change.channels && [...change.channels],
          metadata: change.metadata && { ...change.metadata },
          throttleRate: change.throttleRate,
          allEventTypesSince:
            eventTypes === null ? sql`coalesce(${allEventTypesSince}, ${now})` : types && null,
          ...(change.disabled === undefined ? {} : change.disabled ? disabling(now) : enabling(now)),
        })
        .where(and(eq(endpoints.id, id), isNull(endpoints.removedAt))),
      refreshDueAt(sql`SELECT ${id}`),
      earliestDue(sql`SELECT ${id}`),
      operationalEvent(deps, "endpoint.updated", id, sql`e.removed_at IS NULL`),
      endpointRow(applicationId, id),
    ]),
    TAKEN,
  )
  await nudgeOperations(deps, results.at(-2))
  // One that is well again is sent at once what it still waits for.
  if (change.disabled === false) await scheduleDrain(deps, readDue(results.at(-3)))
  const row = results.at(-1)?.at(0)
  if (!row) throw notFound("Endpoint")
  return toEndpoint(row)
}

export interface EndpointReplacement extends Omit<EndpointSettings, "uid"> {
  uid?: string | null | undefined
  applicationId: string
  /** Id or uid. */
  endpoint: string
  ownOrigin: string
}

/**
 * Gives an endpoint these settings, or makes it if there is none of this id or uid. Without a uid it keeps the
 * one by which it is named here. Refuses like `createEndpoint` and `changeEndpoint`.
 */
export async function replaceEndpoint(
  deps: Deps,
  replacement: EndpointReplacement,
): Promise<{ endpoint: Endpoint; created: boolean }> {
  const { applicationId, endpoint: named } = replacement
  const current = await findEndpoint(deps, applicationId, named)
  if (!current) {
    const { uid = isEndpointUid(named) ? named : null } = replacement
    const { endpoint } = await createEndpoint(deps, { ...replacement, uid })
    return { endpoint, created: true }
  }
  const { uid = current.uid === named ? named : null } = replacement
  return { endpoint: await changeEndpoint(deps, { ...replacement, uid }), created: false }
}

/** Why and since when an endpoint is disabled stays as it was, if it is. */
function disabling(now: number) {
  return {
    disabledAt: sql`coalesce(${endpoints.disabledAt}, ${now})`,
    disabledReason: sql`coalesce(${endpoints.disabledReason}, 'manual')`,
  }
}

/** Each column is read as it was before: one that is enabled already stays as it is. */
function enabling(now: number) {
  const { disabledAt, enabledAt, failingSince, slow, pausedUntil, goneAt } = endpoints
  return {
    enabledAt: sql`CASE WHEN ${disabledAt} IS NULL THEN ${enabledAt} ELSE ${now} END`,
    failingSince: sql`CASE WHEN ${disabledAt} IS NULL THEN ${failingSince} END`,
    slow: sql`CASE WHEN ${disabledAt} IS NULL THEN ${slow} ELSE 0 END`,
    pausedUntil: sql`CASE WHEN ${disabledAt} IS NULL THEN ${pausedUntil} END`,
    goneAt: sql`CASE WHEN ${disabledAt} IS NULL THEN ${goneAt} END`,
    disabledAt: null,
    disabledReason: null,
  }
}

function keepOnly(endpointId: string, types: readonly { id: string }[]) {
  const ids = JSON.stringify(types.map((type) => type.id))
  return sql`
    DELETE FROM subscriptions WHERE endpoint_id = ${endpointId}
      AND event_type_id NOT IN (SELECT value FROM json_each(${ids}))`
}
