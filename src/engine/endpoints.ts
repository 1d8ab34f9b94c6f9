import { and, eq, isNull, sql } from "drizzle-orm"

import type { Statement } from "../db/client.ts"
import { newId } from "../db/ids.ts"
import { endpoints } from "../db/schema.ts"
import type { Deps } from "../deps.ts"
import { EngineError, notFound } from "./errors.ts"
import { ensureEventType, getEventType } from "./event-types.ts"
import { enqueue } from "./pipeline/jobs.ts"
import { refreshDueAt } from "./pipeline/record.ts"
import { checkCustomHeaders } from "./rules/headers.ts"
import { generateSecret, SECRET_BYTES } from "./rules/secret.ts"
import { checkTargetUrl } from "./rules/target-url.ts"
import { seal } from "./seal.ts"

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
 * enables it if it was disabled, adds the subscription. One batch, so that two calls at once make one of each.
 * Refuses with `refused_target` or `not_found` (event type), with `newEventTypes` `limit_reached`; then nothing
 * is written.
 */
export async function registerUrl(deps: Deps, registration: Registration): Promise<Registered> {
  const { applicationId } = registration
  const { href } = refuseBadTarget(deps, registration.url, registration.ownOrigin)
  const url = registration.keepSpelling ? registration.url : href
  const secret = generateSecret(crypto.getRandomValues(new Uint8Array(SECRET_BYTES)))
  const sealed = await seal(deps.config, secret)
  // Last of all that can refuse: a refused registration leaves no event type behind.
  const findEventType = registration.newEventTypes ? ensureEventType : getEventType
  const eventType = await findEventType(deps, applicationId, registration.eventType)
  const now = deps.clock.now()
  const endpointId = newId("endpoint", now)
  const subscriptionId = newId("subscription", now)
  const [before = [], , , , , , found = []] = await deps.database(applicationId).batch([
    sql`SELECT disabled_at FROM endpoints WHERE application_id = ${applicationId} AND url_key = ${href}`,
    sql`
      INSERT INTO endpoints (id, application_id, url, url_key, created_at, updated_at, enabled_at)
      VALUES (${endpointId}, ${applicationId}, ${url}, ${href}, ${now}, ${now}, ${now})
      ON CONFLICT DO NOTHING`,
    sql`
      INSERT INTO secrets (id, endpoint_id, sealed, created_at)
      SELECT ${newId("secret", now)}, id, ${sealed}, ${now} FROM endpoints WHERE id = ${endpointId}
      ON CONFLICT DO NOTHING`,
    sql`
      UPDATE endpoints SET enabled_at = ${now}, updated_at = ${now}, disabled_at = NULL, disabled_reason = NULL,
        failing_since = NULL, slow = 0, paused_until = NULL
      WHERE application_id = ${applicationId} AND url_key = ${href} AND disabled_at IS NOT NULL`,
    refreshDueAt(sql`SELECT id FROM endpoints WHERE application_id = ${applicationId} AND url_key = ${href}`),
    sql`
      INSERT INTO subscriptions (id, event_type_id, endpoint_id, created_at)
      SELECT ${subscriptionId}, ${eventType.id}, id, ${now} FROM endpoints
      WHERE application_id = ${applicationId} AND url_key = ${href}
      ON CONFLICT DO NOTHING`,
    sql`
      SELECT e.id, e.created_at, e.enabled_at, s.id AS subscription_id FROM endpoints e
      JOIN subscriptions s ON s.endpoint_id = e.id AND s.event_type_id = ${eventType.id}
      WHERE e.application_id = ${applicationId} AND e.url_key = ${href}`,
  ])
  const row = found.at(0)
  if (!row) throw new Error("the registered endpoint is gone")
  // The second half recognises a batch that was repeated because its answer got lost.
  const enabled =
    (before.at(0)?.disabled_at ?? null) !== null || (row.enabled_at === now && row.created_at !== now)
  return {
    endpointId: row.id as string,
    outcome: row.subscription_id === subscriptionId ? "created" : enabled ? "enabled" : "exists",
    secret: row.id === endpointId ? secret : null,
  }
}

export interface NewEndpoint {
  applicationId: string
  /** Made by the caller where `statements` are to name the endpoint; else made here. */
  endpointId?: string
  url: string
  /** Sent with each delivery; stored sealed. */
  headers?: Readonly<Record<string, string>>
  /** Ids of event types of the same application. */
  eventTypeIds: readonly string[]
  /** The origin this request came in on: never a target. */
  ownOrigin: string
  /** The family's own statements: they take part in the batch, behind the endpoint. Must be safe to repeat. */
  statements?: readonly Statement[]
}

/**
 * Creates an endpoint of its own, whatever others have the same URL, with a secret and its subscriptions, in
 * one batch. Answers its id and the secret. Refuses with `refused_target` or `invalid` (headers).
 */
export async function createEndpoint(
  deps: Deps,
  endpoint: NewEndpoint,
): Promise<{ endpointId: string; secret: string }> {
  const { applicationId, headers = {} } = endpoint
  refuseBadTarget(deps, endpoint.url, endpoint.ownOrigin)
  const checked = checkCustomHeaders(headers)
  if (!checked.ok) throw new EngineError("invalid", checked.message)
  const now = deps.clock.now()
  const endpointId = endpoint.endpointId ?? newId("endpoint", now)
  const secret = generateSecret(crypto.getRandomValues(new Uint8Array(SECRET_BYTES)))
  const sealedSecret = await seal(deps.config, secret)
  const sealedHeaders =
    Object.keys(headers).length === 0 ? null : await seal(deps.config, JSON.stringify(headers))
  const subscribed = endpoint.eventTypeIds.map((eventTypeId) => ({
    id: newId("subscription", now),
    eventTypeId,
  }))
  await deps.database(applicationId).batch([
    sql`
      INSERT INTO endpoints (id, application_id, url, headers, created_at, updated_at, enabled_at)
      VALUES (${endpointId}, ${applicationId}, ${endpoint.url}, ${sealedHeaders}, ${now}, ${now}, ${now})
      ON CONFLICT DO NOTHING`,
    sql`
      INSERT INTO secrets (id, endpoint_id, sealed, created_at)
      VALUES (${newId("secret", now)}, ${endpointId}, ${sealedSecret}, ${now}) ON CONFLICT DO NOTHING`,
    sql`
      INSERT INTO subscriptions (id, event_type_id, endpoint_id, created_at)
      SELECT value->>'id', value->>'eventTypeId', ${endpointId}, ${now}
      FROM json_each(${JSON.stringify(subscribed)}) WHERE true ON CONFLICT DO NOTHING`,
    ...(endpoint.statements ?? []),
  ])
  return { endpointId, secret }
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
  const db = deps.database(applicationId)
  const urlKey = URL.parse(url)?.href ?? url
  const now = deps.clock.now()
  const endpoint = await db.orm
    .select({ id: endpoints.id })
    .from(endpoints)
    .where(
      and(
        eq(endpoints.applicationId, applicationId),
        eq(endpoints.urlKey, urlKey),
        isNull(endpoints.removedAt),
        sql`EXISTS (SELECT 1 FROM subscriptions s WHERE s.endpoint_id = ${endpoints.id} AND s.event_type_id = ${type.id})`,
      ),
    )
    .get()
  if (!endpoint) throw notFound("Subscription")
  const [, , , , removed = []] = await db.batch([
    sql`DELETE FROM subscriptions WHERE event_type_id = ${type.id} AND endpoint_id = ${endpoint.id}`,
    sql`
      UPDATE endpoints SET removed_at = ${now}, updated_at = ${now}, url_key = NULL, uid = NULL
      WHERE id = ${endpoint.id} AND all_event_types_since IS NULL AND removed_at IS NULL
        AND NOT EXISTS (SELECT 1 FROM subscriptions s WHERE s.endpoint_id = endpoints.id)`,
    sql`
      DELETE FROM secrets WHERE endpoint_id = ${endpoint.id}
        AND EXISTS (SELECT 1 FROM endpoints e WHERE e.id = ${endpoint.id} AND e.removed_at IS NOT NULL)`,
    refreshDueAt(sql`SELECT ${endpoint.id}`),
    sql`SELECT due_at FROM endpoints WHERE id = ${endpoint.id} AND removed_at IS NOT NULL`,
  ])
  const due = removed.at(0)?.due_at ?? null
  if (due !== null) await enqueue(deps, { kind: "drain" })
}

/** The URL, parsed, if it may be a target; refuses with `refused_target` and a sentence that says what to change. */
export function refuseBadTarget(deps: Deps, url: string, ownOrigin: string): URL {
  const target = checkTargetUrl(url, {
    allowPrivate: deps.config.allowPrivateTargets,
    ownOrigins: [ownOrigin, ...(deps.config.publicUrl === null ? [] : [deps.config.publicUrl])],
  })
  if (!target.ok) throw new EngineError("refused_target", target.message)
  return target.url
}
