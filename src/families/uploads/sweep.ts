import type { Sweep, Upkeep } from "../../engine/upkeep/contribution.ts"
import type { Deps } from "../../platform/deps.ts"
import { processUpload, requestProcessing } from "./process.ts"
import { discard } from "./storage.ts"
import {
  deleteUploads,
  type Found,
  listExpiredUploads,
  lookForUploads,
  selectLeftUploads,
} from "./store/leftovers.ts"

/** A request that is still bringing its file after this long has died. */
const RECEIVING_EXPIRES_MS = 3600 * 1000
const UPLOADS_PER_SWEEP = 50
/** Files that a sweep reads back itself when the queue refuses its jobs. */
const INLINE_UPLOADS = 3
const RETENTION_UPLOADS = 100
const DAY_MS = 24 * 3600 * 1000
/** What working one file, or a round of what was found, asks of D1. */
const STATEMENTS_PER_UPLOAD = 8

/**
 * Finds uploads that crashes, lost jobs and quotas left behind, and files past retention. Sends jobs for those
 * that wait, or processes a few itself when the queue refuses. Safe to run at any time, or twice at once.
 * The bucket is never listed, which every minute would use up the Free plan: an object has a row from before
 * its first byte, and R2 by itself drops an unfinished upload whose id was lost after seven days.
 */
export const uploadsUpkeep: Upkeep = {
  look: (deps, at) =>
    deps.files === null
      ? {}
      : selectLeftUploads(at, {
          receivedBefore: at - RECEIVING_EXPIRES_MS,
          endedBefore: keptSince(deps, at),
        }),
  async work(sweep, { unfinished = [], expired = [] }) {
    const { files } = sweep.deps
    return {
      ...(files && unfinished.length > 0 ? await workUnfinished(sweep, files) : {}),
      ...(files && expired.length > 0 ? await applyRetention(sweep, files) : {}),
    }
  },
}

async function workUnfinished({ deps, at, budget }: Sweep, files: R2Bucket) {
  const found = await lookForUploads(deps, {
    receivedBefore: at - RECEIVING_EXPIRES_MS,
    limit: UPLOADS_PER_SWEEP,
  })
  for (const { id, multipartId } of found.abandoned) await tryDiscard(deps, files, id, multipartId)
  const refused = await sendJobs(deps, found.waiting)
  for (const id of refused.slice(0, INLINE_UPLOADS)) {
    if (budget.affords(STATEMENTS_PER_UPLOAD)) await processUpload(deps, id)
  }
  return {
    waitingUploads: found.waiting.length,
    abandonedUploads: found.abandoned.length,
    poisonedUploads: found.poisoned,
    refusedUploads: refused.length,
  }
}

/**
 * A job for each that somebody has begun, and for the first of the others, which brings these. Answers those for which the
 * queue takes none: where it refused one it would refuse the others.
 */
async function sendJobs(deps: Deps, waiting: Found["waiting"]): Promise<readonly string[]> {
  const first = waiting.find(({ isBegun }) => !isBegun)
  for (const [index, one] of waiting.entries()) {
    const wantsJob = one.isBegun || one === first
    if (wantsJob && !(await requestProcessing(deps, one.id))) return waiting.slice(index).map(({ id }) => id)
  }
  return []
}

function keptSince(deps: Deps, at: number): number {
  return at - deps.config.retentionDays * DAY_MS
}

/** The objects go first: a row without an object is found again, an object without a row never. */
async function applyRetention({ deps, at }: Sweep, files: R2Bucket) {
  const expired = await listExpiredUploads(deps, keptSince(deps, at), RETENTION_UPLOADS)
  if (expired.length === 0) return {}
  const unfinished = expired.filter(({ multipartId }) => multipartId !== null)
  for (const { id, multipartId } of unfinished) await tryDiscard(deps, files, id, multipartId)
  const ids = expired.map(({ id }) => id)
  await files.delete(ids)
  await deleteUploads(deps, ids)
  return { deletedUploads: ids.length }
}

/** Takes back what was stored. What cannot be taken back now goes at retention, with its row. */
async function tryDiscard(deps: Deps, files: R2Bucket, id: string, multipartId: string | null) {
  try {
    await discard(files, id, multipartId)
  } catch (error) {
    deps.observe({ unit: "fault", during: "discard-upload", uploadId: id, error: String(error) })
  }
}
