import { sql } from "drizzle-orm"

import type { Deps } from "../../platform/deps.ts"
import { copyTypes } from "../applications/copies.ts"
import { resolveEventTypes, type Sight } from "../event-types/event-type.ts"
import { endpointEvent, nudgeOperations } from "../events/operational.ts"
import { type Change, setOf } from "../kit/change.ts"
import { notFound, orConflict } from "../kit/errors.ts"
import { earliestDue, readDue, refreshDueAt } from "../pipeline/due.ts"
import { scheduleDrain } from "../pipeline/schedule.ts"
import { targetKey } from "../rules/target-url.ts"
import { requireSpace } from "../upkeep/space.ts"
import { createEndpoint, subscribe } from "./create.ts"
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
} from "./endpoint.ts"
import { freshStart } from "./fresh-start.ts"

export interface EndpointChange extends Change<EndpointSettings> {
  applicationId: string
  /** Id or uid. */
  endpoint: string
  /** The origin this request came in on: never a target. */
  ownOrigin: string
  /** Which event types the caller may see; all of them if not given. */
  sight?: Sight | undefined
}

const TAKEN = {
  ...UID_TAKEN,
  "endpoints.url_key": "This application has one endpoint a URL, and another one has this URL already",
}

/**
 * Changes what is named of an endpoint, in one batch. Enabling and a new URL start afresh; a subscription
 * that stays keeps its age. Refuses with `not_found`, `refused_target`, `invalid` (event types) or
 * `conflict` (uid, URL).
 */
export async function changeEndpoint(deps: Deps, change: EndpointChange): Promise<Endpoint> {
  const { applicationId, url, eventTypes } = change
  const db = deps.shardOf(applicationId)
  const { id } = await getEndpoint(deps, applicationId, change.endpoint)
  const target = url === undefined ? undefined : refuseBadTarget(deps, url, change.ownOrigin)
  const { sight } = change
  const types =
    eventTypes && (await resolveEventTypes(deps, applicationId, eventTypes, { endpointId: id, sight }))
  if (!isSwitch(change)) await requireSpace(deps, applicationId)
  const now = deps.clock.now()
  const changed = setOf(columnsOf(change, target, types, now))
  const { operational, found, due } = await orConflict(
    db.batch({
      subscribed: types
        ? [...copyTypes(db, types, now), subscribe(deps, id, types, now), keepOnly(id, types)]
        : null,
      changed: sql`UPDATE endpoints ${changed} WHERE id = ${id} AND removed_at IS NULL`,
      derived: refreshDueAt(sql`SELECT ${id}`),
      due: earliestDue(sql`SELECT ${id}`),
      operational: endpointEvent(deps, db, "endpoint.updated", id, sql`e.removed_at IS NULL`),
      found: endpointRow(applicationId, id),
    }),
    TAKEN,
  )
  await nudgeOperations(deps, db, operational)
  // One that is well again is sent at once what it still waits for.
  if (change.disabled === false || target) await scheduleDrain(deps, db, readDue(due))
  const [row] = found
  if (!row) throw notFound("Endpoint")
  return toEndpoint(row)
}

/** What an UPDATE sets for a change to these event types and to this target, as far as it names any. */
function columnsOf(
  change: EndpointChange,
  target: URL | undefined,
  types: readonly unknown[] | null | undefined,
  now: number,
): Parameters<typeof setOf>[0] {
  const takesAll = change.eventTypes === null
  return {
    updated_at: now,
    uid: change.uid,
    url: target?.href,
    url_key: target && sql`CASE WHEN url_key IS NOT NULL THEN ${targetKey(target)} END`,
    description: change.description,
    channels: change.channels && JSON.stringify(change.channels),
    metadata: change.metadata && JSON.stringify(change.metadata),
    throttle_rate: change.throttleRate,
    version: change.version,
    all_event_types_since: takesAll ? sql`coalesce(all_event_types_since, ${now})` : types && null,
    ...(change.disabled === undefined ? {} : change.disabled ? disabling(now) : ENABLING),
    ...startingAfresh(target, change.disabled === false, now),
  }
}

/** Whether a change does no more than enable or disable. */
function isSwitch(change: EndpointChange): boolean {
  const { applicationId, endpoint, ownOrigin, sight, disabled, ...settings } = change
  return Object.values(settings).every((setting) => setting === undefined)
}

export interface EndpointReplacement extends Omit<EndpointSettings, "uid"> {
  uid?: string | null | undefined
  applicationId: string
  /** Id or uid. */
  endpoint: string
  ownOrigin: string
  /** Which event types the caller may see; all of them if not given. */
  sight?: Sight | undefined
}

/**
 * Gives an endpoint these settings, or makes it if there is none of this id or uid. Without a uid it keeps
 * the one by which it is named here. Refuses like `createEndpoint` and `changeEndpoint`.
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
    disabled_at: sql`coalesce(disabled_at, ${now})`,
    disabled_reason: sql`coalesce(disabled_reason, 'manual')`,
  }
}

const ENABLING = { disabled_at: null, disabled_reason: null }

/**
 * What was known of a receiver says nothing of another, nor of one that is enabled again. One that is enabled
 * already, or has this URL already, stays as it is.
 */
function startingAfresh(target: URL | undefined, enables: boolean, now: number) {
  if (!target && !enables) return {}
  const isOther = target ? sql`url <> ${target.href}` : sql`false`
  const isEnabled = enables ? sql`disabled_at IS NOT NULL` : sql`false`
  return freshStart(now, sql`${isOther} OR ${isEnabled}`)
}

function keepOnly(endpointId: string, types: readonly { id: string }[]) {
  const ids = JSON.stringify(types.map((type) => type.id))
  return sql`
    DELETE FROM subscriptions WHERE endpoint_id = ${endpointId}
      AND event_type_id NOT IN (SELECT value FROM json_each(${ids}))`
}
