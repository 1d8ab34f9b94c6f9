import { z } from "@hono/zod-openapi"

import { listEventTypes } from "../../engine/event-types/event-type.ts"
import { operation } from "../../http/operation.ts"
import { createRouter } from "../../http/router.ts"
import { Enveloped, enveloped, refusals } from "./envelope.ts"
import { APPLICATION } from "./store/uploads.ts"

const EXAMPLE = {
  id: "21f8e1f7-4142-42f9-ac30-74961702b2eb",
  name: "upload file",
  description: "Event type for file upload operations",
}

const EventTypes = Enveloped(
  z.array(z.object({ id: z.string(), name: z.string(), description: z.string() })),
).openapi("UploadEventTypes", { example: { message: "Successfully !", data: [EXAMPLE], error: false } })

export const eventType = createRouter()

eventType.openapi(
  operation({
    operationId: "listUploadEventTypes",
    tags: ["Uploads"],
    summary: "List the event types that a webhook can be registered for",
    description: "An empty filter is none. The name may be the one shown, or its technical form.",
    method: "get",
    path: "/event_type",
    request: {
      query: z.object({
        id: z.string().optional().openapi({ example: EXAMPLE.id }),
        name: z.string().optional().openapi({ example: EXAMPLE.name }),
      }),
    },
    responses: {
      200: {
        description: "All of them, or those that fit both filters",
        content: { "application/json": { schema: EventTypes } },
      },
      ...refusals(400),
    },
  }),
  async (c) => {
    const { id, name } = c.req.valid("query")
    const types = await listEventTypes(c.var.deps, APPLICATION)
    const listed = types
      .filter((type) => !id || type.id === id.toLowerCase())
      .filter((type) => !name || type.name === name || type.label === name)
      .map((type) => ({ id: type.id, name: type.label ?? type.name, description: type.description }))
    return c.json(enveloped("Successfully !", listed), 200)
  },
)
