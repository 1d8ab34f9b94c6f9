import { sql } from "drizzle-orm"

import { newId } from "../../../db/ids.ts"
import { publish } from "../../../engine/events/publish.ts"
import type { Deps } from "../../../platform/deps.ts"
import { APPLICATION, type Upload, unfinished } from "./uploads.ts"

const EVENT_TYPE = "upload_file"

/** Claims of one upload that may end without a result. */
export const MAX_CLAIMS = 8
const LEASE_MS = 60_000
/** Slow enough for reading any file back: a lease grows with the file, up to what an invocation may last. */
const READ_BYTES_PER_MS = 2048
const MAX_LEASE_MS = 15 * 60_000
/** After a fault the next claim waits this long, then twice as long, and so on: some hour over all claims. */
const FIRST_PAUSE_MS = 30_000

export interface ClaimedUpload
  extends Pick<Upload, "id" | "endpointId" | "fileName" | "contentType" | "claims"> {
  token: string
  size: number
  sha256: string
  uploadedAt: number
  /** A JSON object, as its text was sent. */
  customPayload: string | null
  /** The upload behind it, that nobody has begun; null: none waits. */
  next: string | null
}

/** The id of the upload that nobody has begun and that has waited longest; null: none waits. */
const firstToBegin = sql`(
  SELECT id FROM uploads WHERE ${unfinished} AND state = 'received' ORDER BY id LIMIT 1)`

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
      SELECT u.*, r.custom_payload, ${firstToBegin} AS next FROM uploads u LEFT JOIN upload_registrations r USING (endpoint_id)
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
    next: row.next as string | null,
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
