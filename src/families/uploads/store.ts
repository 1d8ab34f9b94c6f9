import { sql } from "drizzle-orm"

import { fromUuid, idAt, newId } from "../../db/ids.ts"
import { literal } from "../../db/literal.ts"
import { shapeOf } from "../../db/shape.ts"
import { createEndpoint } from "../../engine/endpoints/create.ts"
import { publish } from "../../engine/events/publish.ts"
import { type Page, type PageRequest, toPage, walkOf } from "../../engine/kit/page.ts"
import type { Deps } from "../../platform/deps.ts"
import { uploads } from "./schema.ts"

/** The id of application C, file uploads. */
export const APPLICATION = "app_uploads"
const UPLOAD = { prefix: "upl" }
const EVENT_TYPE = "upload_file"

/** Claims of one upload that may end without a result. */
const MAX_CLAIMS = 8
const LEASE_MS = 60_000
/** Slow enough for reading any file back: a lease grows with the file, up to what an invocation may last. */
const READ_BYTES_PER_MS = 2048
const MAX_LEASE_MS = 15 * 60_000
/** After a fault the next claim waits this long, then twice as long, and so on: some hour over all claims. */
const FIRST_PAUSE_MS = 30_000

export interface NewRegistration {
  eventType: string
  userId: number
  url: string
  customHeaders: Readonly<Record<string, string>>
  /** A JSON object, as its text was sent. */
  customPayload: string | null
  ownOrigin: string
}

/** Registers a URL as an endpoint of its own; refuses like `createEndpoint`. */
export async function createRegistration(deps: Deps, registration: NewRegistration) {
  const { userId, url, ownOrigin, customPayload } = registration
  const createdAt = deps.clock.now()
  const endpointId = newId("endpoint", createdAt)
  const { secret } = await createEndpoint(deps, {
    applicationId: APPLICATION,
    endpointId,
    url,
    keepSpelling: true,
    headers: registration.customHeaders,
    ownContentType: true,
    eventTypes: [registration.eventType],
    ownOrigin,
    statements: [
      sql`
        INSERT INTO upload_registrations (endpoint_id, user_id, custom_payload, created_at, updated_at)
        SELECT id, ${userId}, ${customPayload}, ${createdAt}, ${createdAt} FROM endpoints WHERE id = ${endpointId}
        ON CONFLICT DO NOTHING`,
    ],
  })
  return { endpointId, secret, createdAt }
}

/** The endpoint of a webhook id as C shows it; null when there is none, or when it was removed. */
export async function findEndpoint(deps: Deps, webhookId: string): Promise<string | null> {
  const endpointId = fromUuid("endpoint", webhookId)
  if (endpointId === null) return null
  const found = await deps.shardOf(APPLICATION).read(sql`
    SELECT 1 FROM upload_registrations r JOIN endpoints e ON e.id = r.endpoint_id
    WHERE r.endpoint_id = ${endpointId} AND e.removed_at IS NULL`)
  return found.length === 0 ? null : endpointId
}

export type Upload = typeof uploads.$inferSelect
const shape = shapeOf(uploads)

/** The newest uploads, at most so many. */
export async function listNewestUploads(deps: Deps, most: number): Promise<Upload[]> {
  const rows = await deps.shardOf(APPLICATION).read(sql`
    SELECT ${shape.columns("u")} FROM uploads u WHERE u.id > '' ORDER BY u.id DESC LIMIT ${literal(most)}`)
  return rows.map(shape.read)
}

/** Notes an upload before its first byte is stored, so that no object is without a row. Answers its id. */
export async function beginUpload(
  deps: Deps,
  { endpointId, fileName, contentType }: Pick<Upload, "endpointId" | "fileName" | "contentType">,
): Promise<string> {
  const now = deps.clock.now()
  const id = newId(UPLOAD, now)
  await deps.shardOf(APPLICATION).batch({
    begun: sql`
      INSERT INTO uploads (id, endpoint_id, state, file_name, content_type, created_at, updated_at)
      VALUES (${id}, ${endpointId}, 'receiving', ${fileName}, ${contentType}, ${now}, ${now})
      ON CONFLICT DO NOTHING`,
  })
  return id
}

/** Notes R2's id of the unfinished multipart upload, so that the sweep can abort it. */
export async function noteMultipart(deps: Deps, id: string, multipartId: string): Promise<void> {
  await deps.shardOf(APPLICATION).batch({
    noted: sql`UPDATE uploads SET multipart_id = ${multipartId} WHERE id = ${id} AND state = 'receiving'`,
  })
}

/** Marks the file received; false when the sweep has given the upload up meanwhile. */
export async function finishUpload(
  deps: Deps,
  id: string,
  { size, sha256 }: { size: number; sha256: string },
): Promise<boolean> {
  const { found } = await deps.shardOf(APPLICATION).batch({
    received: sql`
      UPDATE uploads SET state = 'received', size = ${size}, sha256 = ${sha256}, multipart_id = NULL,
        updated_at = ${deps.clock.now()}
      WHERE id = ${id} AND state = 'receiving'`,
    found: sql`SELECT 1 FROM uploads WHERE id = ${id} AND state IN ('received', 'processing', 'completed')`,
  })
  return found.length > 0
}

/** Forgets an upload that was refused; nothing of it is stored. */
export async function dropUpload(deps: Deps, id: string): Promise<void> {
  await deps
    .shardOf(APPLICATION)
    .batch({ dropped: sql`DELETE FROM uploads WHERE id = ${id} AND state = 'receiving'` })
}

/** An upload that clients know of: its file has arrived, or was given up. */
export type ArrivedUpload = Upload & { state: Exclude<Upload["state"], "receiving"> }

/** The upload with this id, once it has arrived; else null. */
export async function getUpload(deps: Deps, id: string): Promise<ArrivedUpload | null> {
  const [row] = await deps
    .shardOf(APPLICATION)
    .read(sql`SELECT ${shape.columns("u")} FROM uploads u WHERE u.id = ${id} AND u.state <> 'receiving'`)
  return row ? (shape.read(row) as ArrivedUpload) : null
}

/** The uploads that have arrived, a page at a time. */
export async function listUploads(deps: Deps, request: PageRequest): Promise<Page<ArrivedUpload>> {
  const { behind, order } = walkOf(request, sql`u.id`)
  const rows = await deps.shardOf(APPLICATION).read(sql`
    SELECT ${shape.columns("u")} FROM uploads u
    WHERE ${behind} AND u.state <> 'receiving' ${order} LIMIT ${request.limit + 1}`)
  return toPage(
    request,
    rows.map((row) => shape.read(row) as ArrivedUpload),
  )
}

export interface ClaimedUpload
  extends Pick<Upload, "id" | "endpointId" | "fileName" | "contentType" | "claims"> {
  token: string
  size: number
  sha256: string
  uploadedAt: number
  /** A JSON object, as its text was sent. */
  customPayload: string | null
}

/** Takes a lease on an upload that waits to be processed; null when there is nothing to do, or somebody does it. */
export async function claimUpload(deps: Deps, id: string): Promise<ClaimedUpload | null> {
  const now = deps.clock.now()
  const token = crypto.randomUUID()
  const { found } = await deps.shardOf(APPLICATION).batch({
    claimed: sql`
      UPDATE uploads SET state = 'processing', lease_token = ${token}, claims = claims + 1, updated_at = ${now},
        leased_until = ${now} + min(${MAX_LEASE_MS}, ${LEASE_MS} + size / ${READ_BYTES_PER_MS})
      WHERE id = ${id} AND state IN ('received', 'processing') AND claims < ${MAX_CLAIMS}
        AND (leased_until IS NULL OR leased_until <= ${now})`,
    found: sql`
      SELECT u.*, r.custom_payload FROM uploads u LEFT JOIN upload_registrations r USING (endpoint_id)
      WHERE u.id = ${id} AND u.lease_token = ${token}`,
  })
  const row = found.at(0)
  if (!row) return null
  return {
    id,
    token,
    endpointId: row.endpoint_id as string,
    fileName: row.file_name as string,
    contentType: row.content_type as string,
    size: row.size as number,
    sha256: row.sha256 as string,
    claims: row.claims as number,
    uploadedAt: row.created_at as number,
    customPayload: row.custom_payload as string | null,
  }
}

/** Completes the upload and publishes its event; null when the lease was lost: then somebody else does. */
export async function completeUpload(
  deps: Deps,
  upload: ClaimedUpload,
  payload: string,
): Promise<string | null> {
  const now = deps.clock.now()
  const id = newId("event", now)
  const { eventId } = await publish(deps, {
    applicationId: APPLICATION,
    eventId: id,
    eventType: EVENT_TYPE,
    payload,
    endpointId: upload.endpointId,
    statements: [
      sql`
        UPDATE uploads SET state = 'completed', event_id = ${id}, lease_token = NULL, leased_until = NULL,
          updated_at = ${now}
        WHERE id = ${upload.id} AND state = 'processing' AND lease_token = ${upload.token}`,
    ],
    onlyIf: sql`EXISTS (SELECT 1 FROM uploads WHERE id = ${upload.id} AND event_id = ${id})`,
  })
  return eventId
}

/** Ends the upload as failed, with a sentence that says why. */
export async function failUpload(deps: Deps, upload: ClaimedUpload, failure: string): Promise<void> {
  await deps.shardOf(APPLICATION).batch({
    failed: sql`
      UPDATE uploads SET state = 'failed', failure = ${failure}, lease_token = NULL, leased_until = NULL,
        updated_at = ${deps.clock.now()}
      WHERE id = ${upload.id} AND state = 'processing' AND lease_token = ${upload.token}`,
  })
}

/** After a fault of ours: lets the sweep try again, later each time. */
export async function postponeUpload(deps: Deps, { id, token, claims }: ClaimedUpload): Promise<void> {
  const until = deps.clock.now() + FIRST_PAUSE_MS * 2 ** (claims - 1)
  await deps.shardOf(APPLICATION).batch({
    postponed: sql`UPDATE uploads SET leased_until = ${until} WHERE id = ${id} AND lease_token = ${token}`,
  })
}

const unfinished = sql`state in ('receiving', 'received', 'processing')`

export interface Found {
  /** Uploads that wait for somebody to process them, oldest first. */
  waiting: string[]
  /** Uploads given up just now whose bytes are to be discarded. */
  abandoned: { id: string; multipartId: string | null }[]
  /** Uploads that ended as failed after too many claims. */
  poisoned: number
}

/** Selects one upload of each kind that the sweep has to work on. */
export function selectLeftUploads(
  now: number,
  { receivedBefore, endedBefore }: { receivedBefore: number; endedBefore: number },
) {
  return {
    unfinished: sql`
      SELECT 1 FROM uploads WHERE ${unfinished} AND (
        (state = 'receiving' AND id < ${idAt(UPLOAD, receivedBefore)})
        OR (state <> 'receiving' AND (leased_until IS NULL OR leased_until <= ${now}))
      ) LIMIT 1`,
    expired: sql`
      SELECT 1 FROM uploads
      WHERE id < ${idAt(UPLOAD, endedBefore)} AND state IN ('completed', 'failed') LIMIT 1`,
  }
}

/** What crashes and lost jobs left: ends what must end, and tells what is to be done. One batch. */
export async function lookForUploads(
  deps: Deps,
  { receivedBefore, limit }: { receivedBefore: number; limit: number },
): Promise<Found> {
  const now = deps.clock.now()
  const free = sql`state IN ('received', 'processing') AND (leased_until IS NULL OR leased_until <= ${now})`
  const { abandoned, poisoned, waiting } = await deps.shardOf(APPLICATION).batch({
    abandoned: sql`
      UPDATE uploads SET state = 'failed', failure = 'The file did not arrive whole', updated_at = ${now}
      WHERE id IN (
        SELECT id FROM uploads
        WHERE ${unfinished} AND state = 'receiving' AND id < ${idAt(UPLOAD, receivedBefore)}
        ORDER BY id LIMIT ${literal(limit)}
      ) RETURNING id, multipart_id`,
    poisoned: sql`
      UPDATE uploads SET state = 'failed', failure = 'Processing ended ${sql.raw(String(MAX_CLAIMS))} times without a result',
        lease_token = NULL, leased_until = NULL, updated_at = ${now}
      WHERE id IN (
        SELECT id FROM uploads WHERE ${unfinished} AND ${free} AND claims >= ${MAX_CLAIMS} ORDER BY id LIMIT ${literal(limit)}
      ) RETURNING 1`,
    waiting: sql`
      SELECT id FROM uploads WHERE ${unfinished} AND ${free} AND claims < ${MAX_CLAIMS}
      ORDER BY id LIMIT ${literal(limit)}`,
  })
  return {
    waiting: waiting.map((row) => row.id as string),
    abandoned: abandoned.map(toStored),
    poisoned: poisoned.length,
  }
}

/** The oldest ended uploads from before `before`, for retention. */
export async function listExpiredUploads(deps: Deps, before: number, limit: number) {
  const rows = await deps.shardOf(APPLICATION).read(sql`
    SELECT id, multipart_id FROM uploads
    WHERE id < ${idAt(UPLOAD, before)} AND state IN ('completed', 'failed') ORDER BY id LIMIT ${literal(limit)}`)
  return rows.map(toStored)
}

/** Deletes the rows of uploads whose objects are gone. */
export async function deleteUploads(deps: Deps, ids: readonly string[]): Promise<void> {
  await deps.shardOf(APPLICATION).batch({
    deleted: sql`DELETE FROM uploads WHERE id IN (SELECT value FROM json_each(${JSON.stringify(ids)}))`,
  })
}

function toStored(row: Record<string, unknown>) {
  return { id: row.id as string, multipartId: row.multipart_id as string | null }
}
