import { getEndpoint } from "../engine/endpoints/endpoint.ts"
import { getEvent } from "../engine/events/event.ts"
import type { Subject } from "../http/middleware/idempotency.ts"
import type { Deps } from "../platform/deps.ts"

/**
 * What a request on an endpoint is about, and on a message if one is named: ids, whichever name the path has.
 */
export function subjectOf(deps: Deps, applicationId: string, endpoint: string, message?: string): Subject {
  return {
    applicationId,
    ids: async () => [
      (await getEndpoint(deps, applicationId, endpoint)).id,
      ...(message === undefined ? [] : [(await getEvent(deps, applicationId, message)).id]),
    ],
  }
}
