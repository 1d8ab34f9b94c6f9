import { type SQL, sql } from "drizzle-orm"

import { newId } from "../../db/ids.ts"
import type { Deps } from "../../platform/deps.ts"
import { type Application, idOf, insertApplication, UID_TAKEN } from "../applications/application.ts"
import { CATALOG } from "../applications/built-in.ts"
import { hasRoomFor, insertEventType, tooManyTypes } from "../event-types/event-type.ts"
import { EngineError } from "../kit/errors.ts"
import type { Once, Remember } from "../kit/idempotency.ts"
import { findType, isNewType, refuseUnfit } from "./check.ts"
import type { EventWithPayload } from "./event.ts"
import { rivalOf } from "./insert.ts"
import { type Prerequisites, publish } from "./publish.ts"
import { publishInOneTrip } from "./publish-in-one-trip.ts"

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
 * Publishes an event of one of the application's own types or of the catalog's; a type that nobody has
 * made yet becomes one of the catalog, and an application that is still to be made is made, all in one
 * batch. Refuses with `invalid` (archived type, payload that does not fit a schema to be enforced),
 * `conflict` (uid of the event or of the application), `limit_reached`, `payload_too_large` or
 * `storage_full`; then nothing is written.
 */
export async function sendEvent(deps: Deps, input: NewEvent): Promise<EventWithPayload> {
  const type = await findType(deps, input.applicationId, input.eventType)
  refuseUnfit(deps, input, type)
  return publishChecked(deps, input, { isNewType: isNewType(deps, input, type) })
}

/**
 * The same in one trip, where the application (by id or uid) and the event type are there and
 * nothing stands in the way; null where it takes more, and then nothing is written. With `once` only
 * if that key is free, and its answer is kept.
 */
export async function sendInOneTrip(
  deps: Deps,
  application: string,
  input: Omit<NewEvent, "applicationId" | "newApplication" | "remember">,
  once?: Once<EventWithPayload>,
): Promise<EventWithPayload | null> {
  const event = draftEvent(deps, input)
  const written = await publishInOneTrip(
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
 * Publishes an event that its type takes, or the first of a new type.
 * Refuses with `limit_reached` and as `publish`.
 */
export async function publishChecked(
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
    prerequisites: prerequisitesOf(deps, input, event.id, isNewType),
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

/** The application and the event type that are made for an event, if it happens, or not at all. */
function prerequisitesOf(
  deps: Deps,
  { applicationId, newApplication, eventType, uid = null }: NewEvent,
  eventId: string,
  isNewType: boolean,
): Prerequisites | undefined {
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
