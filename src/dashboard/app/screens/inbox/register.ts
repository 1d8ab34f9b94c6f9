import { api, ask, type Schemas } from "../../api/client.ts"
import { UPLOAD_FILE } from "../uploads/event-type.ts"

const UPLOADS = "uploads"

/**
 * Makes an inbox an endpoint of an application, for every event type, and tells it the endpoint's secret, by which it
 * verifies what comes. Answers the endpoint's id.
 */
export async function register(
  application: string,
  { id, url }: Pick<Schemas["InboxOut"], "id" | "url">,
): Promise<string> {
  const endpoint = application === UPLOADS ? await registerForUploads(url) : await create(application, url)
  await ask(
    api.PATCH("/api/v1/inbox/{inbox_id}", {
      params: { path: { inbox_id: id } },
      body: { secret: endpoint.secret },
    }),
  )
  return endpoint.id
}

async function create(application: string, url: string) {
  const { id } = await ask(
    api.POST("/api/v1/app/{app_id}/endpoint", {
      params: { path: { app_id: application } },
      body: { url, description: "A test inbox", disabled: false, metadata: {} },
    }),
  )
  const { key: secret } = await ask(
    api.GET("/api/v1/app/{app_id}/endpoint/{endpoint_id}/secret", {
      params: { path: { app_id: application, endpoint_id: id } },
    }),
  )
  return { id, secret }
}

/** C tells each registration of its own uploads alone: an endpoint without one would get nothing. */
async function registerForUploads(url: string) {
  const { data } = await ask(
    api.POST("/webhook/register", { body: { event_type_id: UPLOAD_FILE, user_id: 1, url } }),
  )
  return { id: data.endpoint_id, secret: data.secret }
}
