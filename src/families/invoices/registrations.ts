import { z } from "@hono/zod-openapi"
import type { Context } from "hono"
import { registerUrl, unregisterUrl } from "../../engine/endpoints/register.ts"
import { problems } from "../../http/dialects/plain.ts"
import { inText, prefers } from "../../http/dialects/text.ts"
import { inWords } from "../../http/in-words.ts"
import { jsonBody } from "../../http/middleware/json-body.ts"
import { operation } from "../../http/operation.ts"
import { Problem } from "../../http/problem.ts"
import { withExamples } from "../../http/refusals.ts"
import { createRouter } from "../../http/router.ts"
import { APPLICATION } from "./store.ts"

const Field = z.string({
  error: ({ input }) => (input === undefined ? undefined : "must be a string"),
})

const Registration = z
  .object(
    {
      event: Field.regex(
        /^[a-zA-Z0-9_.-]{1,256}$/,
        "must have 1 to 256 ASCII letters, digits, underscores, dots and hyphens",
      ),
      url: Field,
    },
    "The body must be a JSON object",
  )
  .openapi("Registration", { example: { event: "myEvent", url: "http://myurl.com/webhook" } })

const Registered = z
  .object({
    message: z.string(),
    event: z.string(),
    url: z.string(),
    endpoint_id: z.string(),
    secret: z.string().optional().openapi({ description: "Shown once, when this call made the endpoint" }),
  })
  .openapi("RegisteredUrl", {
    example: {
      message: 'Webhook for "myEvent" registered successfully',
      event: "myEvent",
      url: "http://myurl.com/webhook",
      endpoint_id: "ep_019a8f0c5d1b7c3e9a4f2b6d8e0c1a3f",
      secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    },
  })

const html = (example: string) => ({ "text/html": { schema: z.string().openapi({ example }) } })

export const registrations = createRouter()

registrations.openapi(
  operation({
    operationId: "registerUrl",
    tags: ["Webhooks"],
    summary: "Register a URL for an event of any name",
    description:
      "A name that is new becomes an event type of this application. Registering a pair again changes nothing, but enables a disabled endpoint. Who asks for `application/json` is told the endpoint's id and secret.",
    method: "post",
    path: "/register",
    middleware: [jsonBody()],
    request: { body: { required: true, content: { "application/json": { schema: Registration } } } },
    responses: {
      200: {
        description: "Registered",
        content: {
          ...html('Webhook for "myEvent" registered successfully'),
          "application/json": { schema: Registered },
        },
      },
      ...inText(
        withExamples(problems(400, 409, 413, 507), {
          400: { detail: 'The field "url" is missing.' },
          409: {
            detail:
              "The application has 1000 endpoints already: remove one, or raise MAX_ENDPOINTS_PER_APPLICATION",
          },
        }),
      ),
    },
  }),
  async (c) => {
    const { event, url } = c.req.valid("json")
    const { endpointId, secret } = await registerUrl(c.var.deps, {
      applicationId: APPLICATION,
      eventType: event,
      newEventTypes: true,
      url,
      keepSpelling: true,
      ownOrigin: new URL(c.req.url).origin,
    })
    const message = `Webhook for "${event}" registered successfully`
    if (!prefers(c.req.header("accept"), "application/json", "text/html")) return sentence(c, message)
    const registered = { message, event, url, endpoint_id: endpointId }
    return c.json(secret === null ? registered : { ...registered, secret }, 200)
  },
)

registrations.openapi(
  operation({
    operationId: "unregisterUrl",
    tags: ["Webhooks"],
    summary: "Remove a URL from an event",
    description:
      "With its last event the endpoint is removed: it gets nothing more, pending retries included.",
    method: "post",
    path: "/unregister",
    middleware: [jsonBody()],
    request: { body: { required: true, content: { "application/json": { schema: Registration } } } },
    responses: {
      200: { description: "Removed", content: html('Webhook for "myEvent" unregistered successfully') },
      ...inText(
        withExamples(problems(400, 404, 413), {
          400: { detail: 'The field "url" is missing.' },
          404: { detail: "This URL is not registered for this event." },
        }),
      ),
    },
  }),
  async (c) => {
    const { event, url } = c.req.valid("json")
    await inWords(
      { not_found: new Problem(404, null, "This URL is not registered for this event.") },
      unregisterUrl(c.var.deps, { applicationId: APPLICATION, eventType: event, url }),
    )
    return sentence(c, `Webhook for "${event}" unregistered successfully`)
  },
)

/** The original's answer: plain words, called HTML. Nothing in them is markup, by the rule for names. */
function sentence(c: Context, text: string): Response {
  return c.body(text, 200, {
    "content-type": "text/html; charset=utf-8",
    "x-content-type-options": "nosniff",
  })
}
