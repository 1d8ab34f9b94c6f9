import { type SQL, sql } from "drizzle-orm"

import type { Db } from "../../db/client.ts"
import { EngineError } from "../kit/errors.ts"
import { doneAtOnce } from "../pipeline/interest.ts"
import type { EventKey } from "../pipeline/jobs.ts"

export const MAX_PAYLOAD_BYTES = 256 * 1024

/** An event as its publisher gives it. */
export interface EventContent {
  /** The exact bytes that receivers get. */
  payload: string
  /** What the payload is; JSON if not given. */
  contentType?: string | null
  /** The publisher's own id for the event. */
  uid?: string | null
  /** Owed to this endpoint alone, whatever it subscribes to. */
  endpointId?: string
  channels?: readonly string[] | null
  /** When the payload is forgotten (epoch ms), if before the event itself. */
  payloadExpiresAt?: number | null
}

/**
 * The statement that writes an event of the application and type that `source` selects, if the condition
 * holds; returns it unless it is there already.
 */
export function insertEvent(
  event: EventContent & { id: string; at: number },
  source: SQL,
  onlyIf = sql`true`,
): SQL {
  const {
    id,
    at,
    payload,
    contentType = null,
    uid = null,
    endpointId = null,
    payloadExpiresAt = null,
  } = event
  const channels = event.channels ? JSON.stringify(event.channels) : null
  return sql`
    INSERT INTO events (id, application_id, event_type_id, event_type, uid, endpoint_id, channels, created_at,
      dispatched_at, payload_expires_at, payload, content_type)
    SELECT ${id}, v.application_id, v.event_type_id, v.event_type, ${uid}, v.endpoint_id, v.channels, v.created_at,
      ${doneAtOnce(at)}, ${payloadExpiresAt}, ${payload}, ${contentType}
    FROM (
      SELECT t.*, ${endpointId} AS endpoint_id, ${channels} AS channels, ${at} AS created_at FROM (${source}) t
    ) v
    WHERE ${onlyIf}
    ON CONFLICT DO NOTHING RETURNING application_id, dispatched_at`
}

/** Refuses with `payload_too_large`. */
export function refuseTooLarge(payload: string): void {
  if (new TextEncoder().encode(payload).byteLength <= MAX_PAYLOAD_BYTES) return
  throw new EngineError("payload_too_large", `A payload has at most ${MAX_PAYLOAD_BYTES} bytes`)
}

/** Refuses with `conflict` an event whose uid another one of the application has. */
export async function refuseRival(
  db: Db,
  { applicationId, eventId }: EventKey,
  uid: string | null,
): Promise<void> {
  const rivals = uid === null ? [] : await db.read(rivalOf(applicationId, uid, eventId))
  if (rivals.length > 0) throw uidTaken(uid)
}

/** Selects another event of the application that has this uid. */
export function rivalOf(applicationId: string, uid: string | null, id: string): SQL {
  return sql`SELECT 1 FROM events WHERE application_id = ${applicationId} AND uid = ${uid} AND id <> ${id}`
}

export function uidTaken(uid: string | null): EngineError {
  return new EngineError("conflict", `There is an event with the id '${uid}' already`)
}
