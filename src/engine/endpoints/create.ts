import { type SQL, sql } from "drizzle-orm"

import type { Statement } from "../../db/client.ts"
import { newId } from "../../db/ids.ts"
import type { Deps } from "../../platform/deps.ts"
import { copyApplication, copyTypes } from "../applications/copies.ts"
import { resolveEventTypes, type Sight } from "../event-types/event-type.ts"
import { endpointEvent, nudgeOperations } from "../events/operational.ts"
import type { Change } from "../kit/change.ts"
import { seal } from "../kit/encryption.ts"
import { EngineError, notFound, orConflict } from "../kit/errors.ts"
import type { Remember } from "../kit/idempotency.ts"
import { checkCustomHeaders } from "../rules/headers.ts"
import { requireSpace } from "../upkeep/space.ts"
import {
  type Endpoint,
  type EndpointSettings,
  hasRoomForEndpoint,
  refuseBadTarget,
  tooManyEndpoints,
  UID_TAKEN,
} from "./endpoint.ts"
import { secretOrNew } from "./new-secret.ts"

export interface NewEndpoint extends Change<EndpointSettings> {
  applicationId: string
  /** Made by the caller where `statements` are to name the endpoint; else made here. */
  endpointId?: string
  url: string
  /** Whether the URL is shown and called as typed; else in its normal form. */
  keepSpelling?: boolean
  eventTypes: readonly string[] | null
  /** Sent with each delivery; stored sealed. */
  headers?: Readonly<Record<string, string>> | undefined
  /** Whether a content type may be among the headers, in place of ours. */
  ownContentType?: boolean
  /** The signing secret; a new one without. */
  secret?: string | null | undefined
  /** The origin this request came in on: never a target. */
  ownOrigin: string
  /** Which event types the caller may see; all of them if not given. */
  sight?: Sight | undefined
  /**
   * The family's own statements: they take part in the batch, behind the endpoint. Must be safe to repeat,
   * and write nothing where the endpoint is not there: it may have been refused.
   */
  statements?: readonly Statement[]
}

export interface CreatedEndpoint {
  endpoint: Endpoint
  secret: string
}

/**
 * Creates an endpoint of its own, whatever others have the same URL, with a secret and its subscriptions, in
 * one batch. Refuses with `refused_target`, `invalid` (headers, secret, event types), `conflict` (uid),
 * `not_found` (application), `limit_reached` or `storage_full`.
 */
export async function createEndpoint(
  deps: Deps,
  input: NewEndpoint,
  remember?: Remember<CreatedEndpoint>,
): Promise<CreatedEndpoint> {
  const { applicationId, headers = {} } = input
  const { href } = refuseBadTarget(deps, input.url, input.ownOrigin)
  const checked = checkCustomHeaders(headers, { ownContentType: input.ownContentType ?? false })
  if (!checked.ok) throw new EngineError("invalid", `${checked.header}: ${checked.message}`, "headers")
  const secret = await secretOrNew(input.secret ?? null, "secret")
  const types =
    input.eventTypes === null
      ? null
      : await resolveEventTypes(deps, applicationId, input.eventTypes, { sight: input.sight })
  await requireSpace(deps, applicationId)
  const now = deps.clock.now()
  const names = types?.map(({ name }) => name).toSorted() ?? null
  const endpoint = draftEndpoint(input, { href, names, now })
  const { id } = endpoint
  const application = sql`SELECT 1 FROM applications WHERE id = ${applicationId} AND removed_at IS NULL`
  const exists = sql`EXISTS (SELECT 1 FROM endpoints WHERE id = ${id})`
  const sealedSecret = await seal(deps.config, secret)
  const sealedHeaders =
    Object.keys(headers).length === 0 ? null : await seal(deps.config, JSON.stringify(headers))
  const db = deps.shardOf(applicationId)
  const { made, owner, operational } = await orConflict(
    db.batch({
      copies: [...copyApplication(deps, applicationId), ...copyTypes(db, types ?? [], now)],
      endpoint: insertEndpoint(
        applicationId,
        endpoint,
        sealedHeaders,
        sql`NOT ${exists} AND EXISTS (${application}) AND ${hasRoomForEndpoint(deps, applicationId)}`,
      ),
      secret: sql`
        INSERT INTO secrets (id, endpoint_id, sealed, created_at)
        SELECT ${newId("secret", now)}, ${id}, ${sealedSecret}, ${now} WHERE ${exists} ON CONFLICT DO NOTHING`,
      subscriptions: subscribe(deps, id, types ?? [], now),
      made: sql`SELECT 1 FROM endpoints WHERE id = ${id}`,
      owner: application,
      operational: endpointEvent(deps, db, "endpoint.created", id, sql`true`),
      family: input.statements ?? [],
      remembered: remember ? await remember({ endpoint, secret }, exists) : null,
    }),
    UID_TAKEN,
  )
  if (owner.length === 0) throw notFound("Application")
  if (made.length === 0) throw tooManyEndpoints(deps)
  await nudgeOperations(deps, db, operational)
  return { endpoint, secret }
}

/** The endpoint that is made of these, not yet written. */
function draftEndpoint(
  input: NewEndpoint,
  { href, names, now }: { href: string; names: readonly string[] | null; now: number },
): Endpoint {
  return {
    id: input.endpointId ?? newId("endpoint", now),
    uid: input.uid ?? null,
    url: input.keepSpelling ? input.url : href,
    description: input.description ?? "",
    channels: input.channels ?? null,
    metadata: input.metadata ?? {},
    throttleRate: input.throttleRate ?? null,
    version: input.version ?? 1,
    eventTypes: names,
    disabledAt: input.disabled ? now : null,
    disabledReason: input.disabled ? "manual" : null,
    createdAt: now,
    updatedAt: now,
  }
}

function insertEndpoint(applicationId: string, endpoint: Endpoint, headers: string | null, onlyIf: SQL): SQL {
  const { channels, metadata, createdAt } = endpoint
  return sql`
    INSERT INTO endpoints (id, application_id, uid, url, description, channels, metadata, headers, throttle_rate,
      version, all_event_types_since, created_at, updated_at, enabled_at, disabled_at, disabled_reason)
    SELECT ${endpoint.id}, ${applicationId}, ${endpoint.uid}, ${endpoint.url}, ${endpoint.description},
      ${channels && JSON.stringify(channels)}, ${JSON.stringify(metadata)}, ${headers}, ${endpoint.throttleRate},
      ${endpoint.version}, ${endpoint.eventTypes === null ? createdAt : null}, ${createdAt}, ${createdAt},
      ${createdAt}, ${endpoint.disabledAt}, ${endpoint.disabledReason}
    WHERE ${onlyIf}`
}

/**
 * Subscribes an endpoint to event types. One that took every type until now has been subscribed to these
 * since it began to; an earlier subscription stays.
 */
export function subscribe(
  deps: Deps,
  endpointId: string,
  types: readonly { id: string }[],
  now: number,
): Statement {
  const rows = types.map((type) => ({ id: newId("subscription", deps.clock.now()), eventTypeId: type.id }))
  return sql`
    INSERT INTO subscriptions (id, event_type_id, application_id, endpoint_id, created_at)
    SELECT value->>'id', t.id, e.application_id, e.id, coalesce(e.all_event_types_since, ${now})
    FROM json_each(${JSON.stringify(rows)}) JOIN event_types t ON t.id = value->>'eventTypeId'
    JOIN endpoints e ON e.id = ${endpointId} AND e.removed_at IS NULL
    WHERE true
    ON CONFLICT (event_type_id, application_id, endpoint_id) DO UPDATE SET created_at = min(created_at, excluded.created_at)`
}
