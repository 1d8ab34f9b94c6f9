import { type SQL, sql } from "drizzle-orm"

import { newId } from "../../db/ids.ts"
import type { Deps } from "../../platform/deps.ts"
import { type Application, idOf, insertApplication, UID_TAKEN } from "../applications/application.ts"
import { CATALOG } from "../applications/built-in.ts"
import { getEndpoint } from "../endpoints/endpoint.ts"
import {
  hasRoomFor,
  insertEventType,
  isVisible,
  refuseBadTypeName,
  type Sight,
  tooManyTypes,
} from "../event-types/event-type.ts"
import { exampleOf } from "../event-types/example.ts"
import { misfit, newestSchema } from "../event-types/schema.ts"
import type { Schema } from "../event-types/schema-flaws.ts"
import { EngineError, notFound } from "../kit/errors.ts"
import type { Once, Remember } from "../kit/idempotency.ts"
import { parseJson } from "../rules/json.ts"
import type { EventWithPayload } from "./event.ts"
import { isPing, type Publication, publish, publishAtOnce, rivalOf } from "./publish.ts"

const DAY_MS = 24 * 3600 * 1000
/** No event is kept for longer, so a payload that may be kept as long never expires by itself. */
const MAX_RETENTION_DAYS = 90

export interface NewEvent {
  applicationId: string
  /** The application itself, if it is still to be made, with the event or not at all. */
  newApplication?: Application | undefined
  eventType: string
  /** The exact text that receivers get, JSON unless `contentType` says something else. */
  payload: string
  contentType?: string | null
  uid?: string | null
  channels?: string[] | null
  /** After this many days the payload is forgotten, if the event is still there. */
  payloadDays?: number
  remember?: Remember<EventWithPayload> | undefined
}

/**
 * The same in one trip, where the application (by id or uid) and the event type are there and nothing stands in the way;
 * null where it takes more, and then nothing is written. With `once` only if that key is free, and its answer is kept.
 */
export async function publishEventAtOnce(
  deps: Deps,
  application: string,
  input: Omit<NewEvent, "applicationId" | "newApplication" | "remember">,
  once?: Once<EventWithPayload>,
): Promise<EventWithPayload | null> {
  const event = draftEvent(deps, input)
  const written = await publishAtOnce(
    deps,
    application,
    {
      ...input,
      id: event.id,
      at: event.createdAt,
      payloadExpiresAt: expiryOf(event, input.payloadDays),
    },
    once && {
      onlyIf: once.isFree,
      closing: [await once.remember(event, isThere(sql`(${idOf(application)})`, event.id))],
    },
  )
  return written && event
}

/**
 * Publishes an event of one of the application's own types or of the catalog's; a type that nobody has made yet
 * becomes one of the catalog, and an application that is still to be made is made, all in one batch. Refuses with
 * `invalid` (archived type, payload that does not fit a schema to be enforced), `conflict` (uid of the event or of
 * the application), `limit_reached`, `payload_too_large` or `storage_full`; then nothing is written.
 */
export async function publishEvent(deps: Deps, input: NewEvent): Promise<EventWithPayload> {
  const type = await findType(deps, input.applicationId, input.eventType)
  refuseUnfit(deps, input, type)
  return publishNow(deps, input, { isNewType: isNewType(deps, input, type) })
}

/** Refuses an event that its type, as `findType` found it, does not take, and a new type that may not be made. */
export function refuseUnfit(
  deps: Deps,
  { eventType, payload }: Pick<NewEvent, "eventType" | "payload">,
  type: FoundType | null,
): void {
  if (type?.archived) throw archived(eventType)
  if (type?.enforceSchema && type.schema) {
    const value = parseJson(payload)
    const problem = value === undefined ? "It is not JSON." : misfit(type.schema, value)
    if (problem)
      throw new EngineError(
        "invalid",
        `The payload does not fit the schema of '${eventType}': ${problem}`,
        "payload",
      )
  }
  if (isNewType(deps, { eventType }, type)) refuseBadTypeName(CATALOG, eventType)
}

/** Whether an event is the first of its type, which is made along with it. */
export function isNewType(
  deps: Deps,
  { eventType }: Pick<NewEvent, "eventType">,
  type: FoundType | null,
): boolean {
  return type === null && !isPing(deps, eventType)
}

/**
 * Sends one endpoint an example of an event type, whatever the endpoint subscribes to: its `own`, which need not fit the
 * type's schema, or else one made from that. Refuses with `not_found`, `conflict` (endpoint disabled), `invalid`
 * (archived, nothing to make it from) or `payload_too_large`.
 */
export async function sendExample(
  deps: Deps,
  input: {
    applicationId: string
    endpoint: string
    eventType: string
    /** A payload as JSON. */
    own?: string | undefined
    sight: Sight
    remember?: Remember<EventWithPayload> | undefined
  },
): Promise<EventWithPayload> {
  const { applicationId, eventType, sight } = input
  const endpoint = await getEndpoint(deps, applicationId, input.endpoint)
  if (endpoint.disabledAt !== null)
    throw new EngineError("conflict", "The endpoint is disabled: enable it before sending it an example")
  const example = await getExample(deps, applicationId, eventType, sight)
  const payload = input.own ?? example
  if (payload === null)
    throw new EngineError(
      "invalid",
      `Event type '${eventType}' has no schema of an object to make an example from`,
      "eventType",
    )
  return publishNow(deps, { ...input, payload }, { endpointId: endpoint.id })
}

/**
 * An example of an event type as JSON, made from its newest schema; null if that describes no object. Refuses with
 * `not_found`, and with `invalid` if the type is archived.
 */
export async function getExample(
  deps: Deps,
  applicationId: string,
  eventType: string,
  sight: Sight,
): Promise<string | null> {
  if (isPing(deps, eventType)) return deps.wire.ping.payload
  const type = await findType(deps, applicationId, eventType, sight)
  if (!type) throw notFound(`Event type '${eventType}'`)
  if (type.archived) throw archived(eventType)
  const example = type.schema && exampleOf(type.schema)
  return typeof example === "object" && example !== null ? JSON.stringify(example) : null
}

async function publishNow(
  deps: Deps,
  input: NewEvent,
  { endpointId = null, isNewType = false }: { endpointId?: string | null; isNewType?: boolean } = {},
): Promise<EventWithPayload> {
  const { applicationId, eventType, payload, contentType = null, uid = null, channels = null } = input
  const { payloadDays, remember } = input
  const event = draftEvent(deps, input, endpointId)
  const publishing = publish(deps, {
    applicationId,
    eventId: event.id,
    at: event.createdAt,
    eventType,
    catalog: true,
    payload,
    contentType,
    uid,
    channels,
    ...(endpointId === null ? {} : { endpointId }),
    making: makingAlong(deps, input, event.id, isNewType),
    payloadExpiresAt: expiryOf(event, payloadDays),
    closing: remember ? [await remember(event, isThere(applicationId, event.id))] : [],
  })
  const { eventId } = await publishing.catch((error: unknown) => {
    const missing = error instanceof EngineError && error.code === "not_found"
    throw missing && isNewType ? tooManyTypes() : error
  })
  if (eventId === null) throw new EngineError("conflict", UID_TAKEN)
  return event
}

/** The condition that the event has been written. */
function isThere(applicationId: string | SQL, id: string): SQL {
  return sql`EXISTS (SELECT 1 FROM events WHERE application_id = ${applicationId} AND id = ${id})`
}

/** The event that is made of these, not yet written. */
function draftEvent(
  deps: Deps,
  { eventType, payload, uid = null, channels = null }: Omit<NewEvent, "applicationId">,
  endpointId: string | null = null,
): EventWithPayload {
  const now = deps.clock.now()
  const id = newId("event", now)
  const isNew = { createdAt: now, dispatchedAt: null, failure: null }
  return { id, uid, eventType, endpointId, channels, payload, ...isNew }
}

function expiryOf({ createdAt }: EventWithPayload, payloadDays: number | undefined): number | null {
  if (payloadDays === undefined || payloadDays >= MAX_RETENTION_DAYS) return null
  return createdAt + payloadDays * DAY_MS
}

/** The application and the event type that an event brings along: they are made if it happens, or not at all. */
function makingAlong(
  deps: Deps,
  { applicationId, newApplication, eventType, uid = null }: NewEvent,
  eventId: string,
  isNewType: boolean,
): Publication["making"] {
  if (!newApplication && !isNewType) return undefined
  const isMade = newApplication
    ? sql`EXISTS (SELECT 1 FROM applications WHERE id = ${applicationId})`
    : sql`true`
  const isFirst = sql`NOT EXISTS (${rivalOf(applicationId, uid, eventId)})`
  const typeFits = isNewType ? hasRoomFor(CATALOG, eventType) : sql`true`
  return {
    statements: [
      ...(newApplication ? [insertApplication(newApplication, typeFits)] : []),
      ...(isNewType ? [insertEventType(deps, CATALOG, eventType, sql`${isMade} AND ${isFirst}`)] : []),
    ],
    onlyIf: isMade,
  }
}

export interface FoundType {
  id: string
  archived: boolean
  enforceSchema: boolean
  schema: Schema | null
}

/** The application's own type of this name, else the catalog's; null if neither has one for these eyes. */
export async function findType(
  deps: Deps,
  applicationId: string,
  name: string,
  sight: Sight = {},
): Promise<FoundType | null> {
  const [row] = await deps.directory.read(sql`
    SELECT id, archived, enforce_schema, schemas FROM event_types
    WHERE application_id IN (${applicationId}, ${CATALOG}) AND name = ${name}
      AND ${isVisible(sql`event_types`, sight)}
    ORDER BY application_id = ${CATALOG} LIMIT 1`)
  if (!row) return null
  return {
    id: row.id as string,
    archived: row.archived === 1,
    enforceSchema: row.enforce_schema === 1,
    schema: newestSchema(row.schemas === null ? null : JSON.parse(row.schemas as string)),
  }
}

function archived(eventType: string): EngineError {
  return new EngineError(
    "invalid",
    `Event type '${eventType}' is archived: create it anew to use it again`,
    "eventType",
  )
}
