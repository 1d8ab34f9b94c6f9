import { z } from "@hono/zod-openapi"
import { invalid, problems } from "../../http/dialects/plain.ts"
import { JsonObject } from "../../http/keyed.ts"
import { IdempotencyKey, idempotent } from "../../http/middleware/idempotency.ts"
import { jsonBody } from "../../http/middleware/json-body.ts"
import { operation } from "../../http/operation.ts"
import { rawMember, verbatim } from "../../http/raw-json.ts"
import { withExamples } from "../../http/refusals.ts"
import { createRouter } from "../../http/router.ts"
import { APPLICATION, publishEvent } from "./store.ts"
import { toPayload } from "./wire.ts"

const NewEvent = z
  .object({ event: z.string(), data: JsonObject })
  .openapi("NewEvent", { example: { event: "myEvent", data: { arbitrary_key: "test" } } })

const Accepted = z
  .object({ id: z.string(), event: z.string() })
  .openapi("AcceptedEvent", { example: { id: "evt_019a8f0c5d1b7c3e9a4f2b6d8e0c1a3f", event: "myEvent" } })

export const events = createRouter()

events.openapi(
  operation({
    operationId: "publishEvent",
    tags: ["Webhooks"],
    summary: "Publish an event of a type that somebody registered for",
    description: 'Receivers get `{"event": …, "data": …}`, exactly as sent.',
    method: "post",
    path: "/events",
    middleware: [jsonBody()],
    request: {
      headers: IdempotencyKey,
      body: { required: true, content: { "application/json": { schema: NewEvent } } },
    },
    responses: {
      202: { description: "On its way", content: { "application/json": { schema: Accepted } } },
      ...withExamples(problems(404, 413, 507), {
        404: { code: "not_found", detail: "Event type 'myEvent' not found" },
      }),
      ...invalid,
    },
  }),
  async (c) => {
    const { event } = c.req.valid("json")
    const payload = toPayload(event, verbatim(rawMember(await c.req.text(), "data") ?? "null"))
    const { status, body } = await idempotent(
      c,
      { applicationId: APPLICATION },
      (remember) => publishEvent(c.var.deps, event, payload, remember),
      (id: string) => ({ status: 202, body: { id, event } }),
    )
    return c.json(body, status)
  },
)
