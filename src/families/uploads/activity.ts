import type { Activity } from "../../platform/activity.ts"
import type { Deps } from "../../platform/deps.ts"
import { APPLICATION, listNewestUploads, type Upload } from "./store/uploads.ts"

/** Uploads that one look sees. */
const SEEN = 50

/** The newest uploads, as far as they have changed since then. */
export async function uploadActivity(deps: Deps, since: number): Promise<Activity[]> {
  const uploads = await listNewestUploads(deps, SEEN)
  return uploads.filter(({ updatedAt }) => updatedAt >= since).map(toActivity)
}

function toActivity(upload: Upload): Activity {
  const { id, fileName, state, failure, size, createdAt, updatedAt, claims, eventId, endpointId } = upload
  return {
    kind: "upload",
    id,
    applicationId: APPLICATION,
    name: fileName,
    state,
    receivedAt: createdAt,
    startedAt: createdAt,
    runtimeMs: updatedAt - createdAt,
    tries: claims + 1,
    result: failure ?? (size === null ? null : `${size} bytes`),
    eventId,
    endpointId,
    url: null,
  }
}
