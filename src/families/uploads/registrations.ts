import { z } from "@hono/zod-openapi"

import { toUuid } from "../../db/ids.ts"
import { listEventTypes } from "../../engine/event-types/event-type.ts"
import { MAX_PAYLOAD_BYTES } from "../../engine/events/insert.ts"
import { checkCustomHeaders } from "../../engine/rules/headers.ts"
import { isObject } from "../../engine/rules/json.ts"
import { jsonBody } from "../../http/middleware/json-body.ts"
import { operation } from "../../http/operation.ts"
import { Problem } from "../../http/problem.ts"
import { rawMember } from "../../http/raw-json.ts"
import { createRouter } from "../../http/router.ts"
import { Enveloped, enveloped, refusals } from "./envelope.ts"
import { createRegistration } from "./store/registrations.ts"
import { APPLICATION } from "./store/uploads.ts"

/** Leaves room for the facts of the upload in the largest payload that can be published. */
const MAX_CUSTOM_PAYLOAD_BYTES = MAX_PAYLOAD_BYTES - 8 * 1024

const UserId = z
  .union([z.number(), z.string().regex(/^-?\d+$/)])
  .transform(Number)
  .refine((id) => Number.isSafeInteger(id))
  .openapi({ type: "integer" })

// Taken as they are parsed: a schema of fields would lose a key named __proto__.
const Headers = z
  .custom<Record<string, string>>(
    (value) => isObject(value) && Object.values(value).every((text) => typeof text === "string"),
  )
  .nullish()
  .openapi({
    type: ["object", "null"],
    additionalProperties: { type: "string" },
    description: "Sent with each notification. Stored encrypted, shown nowhere.",
  })

const Payload = z
  .custom<object>(isObject)
  .nullish()
  .openapi({
    type: ["object", "null"],
    additionalProperties: true,
    description: "Merged into each notification at its top level; its keys win.",
  })

const NewRegistration = z
  .object({
    event_type_id: z.string(),
    user_id: UserId,
    url: z.string(),
    custom_headers: Headers,
    custom_payload: Payload,
  })
  .openapi("NewUploadWebhook", {
    example: {
      event_type_id: "21f8e1f7-4142-42f9-ac30-74961702b2eb",
      user_id: 1,
      url: "https://example.com/webhook",
      custom_headers: { "Content-Type": "application/json", Authorization: "Bearer yourtokenhere" },
      custom_payload: { key1: "value1", key2: "value2" },
    },
  })

const Registration = Enveloped(
  z.object({
    id: z.string(),
    user_id: z.number(),
    url: z.string(),
    created_at: z.string(),
    updated_at: z.string(),
    endpoint_id: z.string(),
    secret: z.string().openapi({ description: "Signs the notifications; shown once" }),
  }),
).openapi("UploadWebhook", {
  example: {
    message: "Register Webhook Successfully!",
    data: {
      id: "019a8f0c-5d1b-7c3e-9a4f-2b6d8e0c1a3f",
      user_id: 1,
      url: "https://example.com/webhook",
      created_at: "2024-02-27 08:59:08",
      updated_at: "2024-02-27 08:59:08",
      endpoint_id: "ep_019a8f0c5d1b7c3e9a4f2b6d8e0c1a3f",
      secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    },
    error: false,
  },
})

export const registrations = createRouter()

registrations.openapi(
  operation({
    operationId: "registerUploadWebhook",
    tags: ["Uploads"],
    summary: "Register a webhook that is told of each file uploaded to it",
    description: "Each registration is an endpoint of its own, whatever others have the same URL.",
    method: "post",
    path: "/webhook/register",
    middleware: [jsonBody()],
    request: { body: { required: true, content: { "application/json": { schema: NewRegistration } } } },
    responses: {
      200: { description: "Registered", content: { "application/json": { schema: Registration } } },
      ...refusals(400, 404, 409, 413, 507),
    },
  }),
  async (c) => {
    const { event_type_id: eventTypeId, ...input } = c.req.valid("json")
    const types = await listEventTypes(c.var.deps, APPLICATION)
    const type = types.find(({ id }) => id === eventTypeId.toLowerCase())
    if (!type) throw new Problem(404, null, "Event type not found")
    const customPayload = input.custom_payload ? payloadIn(await c.req.text()) : null
    const { endpointId, secret, createdAt } = await createRegistration(c.var.deps, {
      eventType: type.name,
      userId: input.user_id,
      url: input.url,
      customHeaders: checkedHeaders(input.custom_headers ?? {}),
      customPayload,
      ownOrigin: new URL(c.req.url).origin,
    })
    const registration = {
      id: toUuid(endpointId),
      user_id: input.user_id,
      url: input.url,
      created_at: toTime(createdAt),
      updated_at: toTime(createdAt),
      endpoint_id: endpointId,
      secret,
    }
    return c.json(enveloped("Register Webhook Successfully!", registration), 200)
  },
)

/** The engine checks headers too; here the one at fault is named. */
function checkedHeaders(headers: Record<string, string>): Record<string, string> {
  const checked = checkCustomHeaders(headers, { ownContentType: true })
  if (!checked.ok) throw new Problem(400, null, `custom_headers, '${checked.header}': ${checked.message}`)
  return headers
}

/** The custom payload as it stands in the request. */
function payloadIn(request: string): string | null {
  const payload = rawMember(request, "custom_payload")
  if (payload !== null && new TextEncoder().encode(payload).byteLength > MAX_CUSTOM_PAYLOAD_BYTES) {
    throw new Problem(413, null, `custom_payload has at most ${MAX_CUSTOM_PAYLOAD_BYTES} bytes`)
  }
  return payload
}

/** `2024-02-27 08:59:08`, in UTC. */
function toTime(epochMs: number): string {
  return new Date(epochMs).toISOString().slice(0, 19).replace("T", " ")
}
