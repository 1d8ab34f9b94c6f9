import { toUuid } from "../../db/ids.ts"
import { type AnyWork, type SingleJobs, send } from "../../engine/jobs/job.ts"
import { rawMembers } from "../../http/raw-json.ts"
import type { Deps } from "../../platform/deps.ts"
import { inspect } from "./storage.ts"
import {
  type ClaimedUpload,
  claimUpload,
  completeUpload,
  failUpload,
  postponeUpload,
} from "./store/processing.ts"
import { APPLICATION } from "./store/uploads.ts"

const EVENT = "upload file"

/** The kind of job that checks that an uploaded file arrived whole, and tells its receiver. */
export const PROCESS_UPLOAD = "process-upload"

interface ProcessUpload extends AnyWork {
  uploadId: string
}

export const processing: SingleJobs<ProcessUpload> = {
  lane: "tasks",
  work: (deps, _db, { uploadId }) => processUpload(deps, uploadId),
}

/**
 * Sends the job that processes an upload. False when the queue refuses it: then the sweep sends it again. Whoever begins
 * one sends the next: one job is in the queue, however many wait, and who waits behind it waits for one.
 */
export function requestProcessing(deps: Deps, uploadId: string): Promise<boolean> {
  const work: ProcessUpload = { kind: PROCESS_UPLOAD, uploadId }
  return send(deps, processing.lane, deps.shardOf(APPLICATION), work)
}

/**
 * Sends the job of the next upload, then checks that the stored file is whole, reading it back as a stream, and completes
 * the upload, which publishes its event; or ends it as failed. Safe to run twice or at once. A fault of ours is left to
 * the sweep, which tries again, later each time.
 */
export async function processUpload(deps: Deps, uploadId: string): Promise<void> {
  const { files } = deps
  const upload = files && (await claimUpload(deps, uploadId))
  if (!files || !upload) return
  if (upload.next !== null) await requestProcessing(deps, upload.next)
  const started = deps.clock.now()
  try {
    const failure = await findFault(deps, files, upload)
    const state = await end(deps, upload, failure)
    const { size, claims } = upload
    deps.observe({
      unit: "upload",
      uploadId,
      state,
      failure,
      size,
      claims,
      durationMs: deps.clock.now() - started,
    })
  } catch (error) {
    deps.observe({ unit: "fault", during: "process-upload", uploadId, error: String(error) })
    await postponeUpload(deps, upload)
  }
}

/** Answers what became of it, for the log; `lost`: the lease ran out, and somebody else has ended it. */
async function end(deps: Deps, upload: ClaimedUpload, failure: string | null) {
  if (failure === null) {
    return (await completeUpload(deps, upload, toPayload(upload))) === null ? "lost" : "completed"
  }
  await failUpload(deps, upload, failure)
  return "failed"
}

/** What is wrong with the stored file, in a sentence; null: it is what arrived. */
async function findFault(deps: Deps, files: R2Bucket, upload: ClaimedUpload): Promise<string | null> {
  const stored = await inspect(files, upload.id, () => deps.clock.sleep(0))
  if (stored === null) return "The stored file is gone"
  if (stored.size !== upload.size) return `The stored file has ${stored.size} bytes instead of ${upload.size}`
  return stored.sha256 === upload.sha256 ? null : "The stored file is not the one that arrived"
}

/** The notification: the custom payload is merged at the top level as it stands and its keys win, in their order. */
function toPayload(upload: ClaimedUpload): string {
  const data = {
    webhook_id: toUuid(upload.endpointId),
    upload_id: upload.id,
    file_name: upload.fileName,
    size: upload.size,
    content_type: upload.contentType,
    sha256: upload.sha256,
    uploaded_at: new Date(upload.uploadedAt).toISOString(),
  }
  const fields = new Map([
    ["event", `"event":${JSON.stringify(EVENT)}`],
    ["data", `"data":${JSON.stringify(data)}`],
  ])
  for (const { name, key, value } of rawMembers(upload.customPayload ?? "{}")) {
    fields.set(name, `${key}:${value}`)
  }
  return `{${[...fields.values()].join(",")}}`
}
