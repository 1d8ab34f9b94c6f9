import { sql } from "drizzle-orm"

import type { Batch, Db, Row } from "../../db/client.ts"
import { newId } from "../../db/ids.ts"
import type { Deps } from "../../platform/deps.ts"
import {
  getEventType,
  hasRoomFor,
  insertEventType,
  refuseBadTypeName,
  tooManyTypes,
} from "../event-types/event-type.ts"
import { endpointEvent, nudgeOperations } from "../events/operational.ts"
import { setOf } from "../kit/change.ts"
import { seal } from "../kit/encryption.ts"
import { type EngineError, notFound } from "../kit/errors.ts"
import { refreshDueAt } from "../pipeline/due.ts"
import { callDrain } from "../pipeline/schedule.ts"
import { generateSecret, SECRET_BYTES } from "../rules/secret.ts"
import { targetKey } from "../rules/target-url.ts"
import { requireSpace } from "../upkeep/space.ts"
import { hasRoomForEndpoint, refuseBadTarget, tooManyEndpoints } from "./endpoint.ts"
import { freshStart } from "./fresh-start.ts"
import { removeAll } from "./remove.ts"

export interface Registration {
  applicationId: string
  /** The event type's name. */
  eventType: string
  /** Whether an unknown event type becomes one of the application; else it is refused. */
  newEventTypes?: boolean
  url: string
  /** Whether the URL is shown and called as typed; else in its normal form (`new URL(url).href`). */
  keepSpelling: boolean
  /** The origin this request came in on: never a target. */
  ownOrigin: string
}

export interface Registered {
  endpointId: string
  /** What this call did: made the subscription, enabled a disabled endpoint afresh, or found all in place. */
  outcome: "created" | "enabled" | "exists"
  /** The signing secret, when this call created the endpoint. */
  secret: string | null
}

/**
 * Subscribes a URL to an event type: finds or creates the one endpoint that the application has for the URL,
 * enables it if it was disabled, adds the subscription. One batch, so that two calls at once make one of
 * each. Refuses with `refused_target`, `not_found` (event type), `limit_reached` (endpoints, with
 * `newEventTypes` event types) or `storage_full`; then nothing is written.
 */
export async function registerUrl(deps: Deps, registration: Registration): Promise<Registered> {
  const { applicationId, eventType } = registration
  const target = refuseBadTarget(deps, registration.url, registration.ownOrigin)
  await requireSpace(deps, applicationId)
  const draft = await draftEndpoint(deps, registration, target)
  if (registration.newEventTypes) refuseBadTypeName(applicationId, eventType)
  const db = deps.shardOf(applicationId)
  const { before, types, found, operational } = await db.batch(statementsOf(deps, db, registration, draft))
  await nudgeOperations(deps, db, operational)
  const [row] = found
  if (row) return registered(draft, before.at(0), row)
  if (types.length > 0) throw tooManyEndpoints(deps)
  throw registration.newEventTypes
    ? await whyNoType(deps, registration)
    : notFound(`Event type '${eventType}'`)
}

/** What is written of the endpoint and its subscription where the URL has none yet. */
interface Draft {
  endpointId: string
  subscriptionId: string
  url: string
  urlKey: string
  secret: string
  sealed: string
  now: number
}

async function draftEndpoint(deps: Deps, { url, keepSpelling }: Registration, target: URL): Promise<Draft> {
  const secret = generateSecret(crypto.getRandomValues(new Uint8Array(SECRET_BYTES)))
  const sealed = await seal(deps.config, secret)
  const now = deps.clock.now()
  return {
    endpointId: newId("endpoint", now),
    subscriptionId: newId("subscription", now),
    url: keepSpelling ? url : target.href,
    urlKey: targetKey(target),
    secret,
    sealed,
    now,
  }
}

function statementsOf(
  deps: Deps,
  db: Db,
  { applicationId, eventType, newEventTypes }: Registration,
  { endpointId, subscriptionId, url, urlKey, sealed, now }: Draft,
) {
  const ofUrl = sql`application_id = ${applicationId} AND url_key = ${urlKey}`
  const type = sql`SELECT id FROM event_types WHERE application_id = ${applicationId} AND name = ${eventType}`
  const hasEndpoint = sql`(EXISTS (SELECT 1 FROM endpoints WHERE ${ofUrl})
    OR ${hasRoomForEndpoint(deps, applicationId)})`
  return {
    before: sql`SELECT disabled_at FROM endpoints WHERE ${ofUrl}`,
    type: newEventTypes ? insertEventType(deps, applicationId, eventType, hasEndpoint) : null,
    types: type,
    created: sql`
      INSERT INTO endpoints (id, application_id, url, url_key, created_at, updated_at, enabled_at)
      SELECT ${endpointId}, ${applicationId}, ${url}, ${urlKey}, ${now}, ${now}, ${now}
      WHERE EXISTS (${type}) AND ${hasEndpoint}
      ON CONFLICT DO NOTHING`,
    secret: sql`
      INSERT INTO secrets (id, endpoint_id, sealed, created_at)
      SELECT ${newId("secret", now)}, id, ${sealed}, ${now} FROM endpoints WHERE id = ${endpointId}
      ON CONFLICT DO NOTHING`,
    enabled: sql`
      UPDATE endpoints ${setOf({ ...freshStart(now, sql`true`), updated_at: now, disabled_at: null, disabled_reason: null })}
      WHERE ${ofUrl} AND disabled_at IS NOT NULL AND EXISTS (${type})`,
    due: refreshDueAt(sql`SELECT id FROM endpoints WHERE ${ofUrl}`),
    subscribed: sql`
      INSERT INTO subscriptions (id, event_type_id, application_id, endpoint_id, created_at)
      SELECT ${subscriptionId}, (${type}), application_id, id, ${now} FROM endpoints
      WHERE ${ofUrl} AND EXISTS (${type})
      ON CONFLICT DO NOTHING`,
    found: sql`
      SELECT e.id, e.created_at, e.enabled_at, s.id AS subscription_id FROM endpoints e
      JOIN subscriptions s ON s.endpoint_id = e.id AND s.event_type_id = (${type})
      WHERE e.application_id = ${applicationId} AND e.url_key = ${urlKey}`,
    operational: endpointEvent(deps, db, "endpoint.created", endpointId, sql`true`),
  } satisfies Batch
}

/** What the batch has done, by the row that it found before and by the one that it has left. */
function registered(
  { endpointId, subscriptionId, secret, now }: Draft,
  before: Row | undefined,
  row: Row,
): Registered {
  // The second half recognises a batch that was repeated because its answer got lost.
  const enabled = (before?.disabled_at ?? null) !== null || (row.enabled_at === now && row.created_at !== now)
  return {
    endpointId: row.id as string,
    outcome: row.subscription_id === subscriptionId ? "created" : enabled ? "enabled" : "exists",
    secret: row.id === endpointId ? secret : null,
  }
}

/** A new event type was refused: there are too many already, or there would be too many endpoints. */
async function whyNoType(deps: Deps, { applicationId, eventType }: Registration): Promise<EngineError> {
  const [row] = await deps
    .shardOf(applicationId)
    .read(sql`SELECT ${hasRoomFor(applicationId, eventType)} AS room`)
  return row?.room === 1 ? tooManyEndpoints(deps) : tooManyTypes()
}

/**
 * Ends a URL's subscription to an event type. With the last one the endpoint is removed and its secrets are
 * deleted: it gets nothing from then on, pending retries included. Refuses with `not_found`.
 */
export async function unregisterUrl(
  deps: Deps,
  { applicationId, eventType, url }: { applicationId: string; eventType: string; url: string },
): Promise<void> {
  const type = await getEventType(deps, applicationId, eventType)
  const db = deps.shardOf(applicationId)
  const target = URL.parse(url)
  const urlKey = target ? targetKey(target) : url
  const now = deps.clock.now()
  // One made through the management API has no key, but is listed like the others.
  const [endpoint] = await db.read(sql`
    SELECT e.id FROM endpoints e
    WHERE e.application_id = ${applicationId} AND e.removed_at IS NULL
      AND (e.url_key = ${urlKey} OR (e.url_key IS NULL AND e.url = ${target?.href ?? url}))
      AND EXISTS (SELECT 1 FROM subscriptions s WHERE s.endpoint_id = e.id AND s.event_type_id = ${type.id})`)
  if (!endpoint) throw notFound("Subscription")
  const id = endpoint.id as string
  // What the condition selects stays selected by the statements that follow from it.
  const orphan = sql`
    SELECT e.id FROM endpoints e WHERE e.id = ${id} AND e.all_event_types_since IS NULL
      AND NOT EXISTS (SELECT 1 FROM subscriptions s WHERE s.endpoint_id = e.id)`
  const { operational, owing } = await db.batch({
    unsubscribed: sql`DELETE FROM subscriptions WHERE event_type_id = ${type.id} AND endpoint_id = ${id}`,
    operational: endpointEvent(
      deps,
      db,
      "endpoint.deleted",
      id,
      sql`e.removed_at IS NULL AND e.id IN (${orphan})`,
    ),
    removed: removeAll(orphan, now),
    owing: sql`SELECT 1 FROM endpoints WHERE id = ${id} AND removed_at IS NOT NULL AND due_at IS NOT NULL`,
  })
  await nudgeOperations(deps, db, operational)
  if (owing.length > 0) await callDrain(deps, db)
}
