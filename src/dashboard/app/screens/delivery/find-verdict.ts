import { api, ask, type Schemas } from "../../api/client.ts"
import { Problem } from "../../api/problem.ts"

const PAGE = 250

/** What became of a message at one of its endpoints, which the list of all of them has in the order of their ids. */
export async function findVerdict(
  app: string,
  message: string,
  endpoint: string,
  signal: AbortSignal,
): Promise<Schemas["EndpointVerdictOut"]> {
  let iterator: string | null = null
  do {
    const query: { limit: number; iterator?: string } = {
      limit: PAGE,
      ...(iterator !== null && { iterator }),
    }
    const page: Schemas["ListResponse_EndpointVerdictOut_"] = await ask(
      api.GET("/api/v1/app/{app_id}/msg/{msg_id}/verdict", {
        params: { path: { app_id: app, msg_id: message }, query },
        signal,
      }),
    )
    const found = page.data.find(
      ({ endpointId, endpointUid }) => endpointId === endpoint || endpointUid === endpoint,
    )
    if (found) return found
    iterator = page.done ? null : page.iterator
  } while (iterator !== null)
  throw new Problem(404, "not_found", "The message has nothing to do with this endpoint.")
}
