import { z } from "@hono/zod-openapi"
import { registerUrl, unregisterUrl } from "../../engine/endpoints/register.ts"
import { listSubscriptions } from "../../engine/endpoints/subscriptions.ts"
import { getEventType, listEventTypes } from "../../engine/event-types/event-type.ts"
import { invalid, problems } from "../../http/dialects/plain.ts"
import { inWords } from "../../http/in-words.ts"
import { jsonBody } from "../../http/middleware/json-body.ts"
import { operation } from "../../http/operation.ts"
import { Problem } from "../../http/problem.ts"
import { withExamples } from "../../http/refusals.ts"
import { createRouter } from "../../http/router.ts"
import { APPLICATION } from "./store.ts"
import { requireEventType } from "./wire.ts"

const EventName = z
  .string()
  .transform((name) => name.toLowerCase())
  .refine(
    (name) => /^[a-z_][a-z0-9_]*$/.test(name),
    "must be ASCII letters, digits and underscores, not starting with a digit",
  )

/** A URL, and the normal form in which A answers, stores, lists and compares it. */
const Url = z
  .string()
  .transform((url, ctx) => {
    const href = /^\s*https?:/i.test(url) ? URL.parse(url)?.href : undefined
    if (href !== undefined) return { typed: url, href }
    ctx.addIssue("must be a URL that begins with http:// or https://")
    return z.NEVER
  })
  .openapi({ type: "string", format: "uri" })

const Webhook = z
  .object({ event: EventName, url: Url })
  .openapi("Webhook", { example: { event: "user_registered", url: "http://example.com/webhook" } })

const Registered = z
  .object({
    message: z.string(),
    url: z.string(),
    event: z.string(),
    endpoint_id: z.string(),
    secret: z.string().optional().openapi({ description: "Shown once, when this call made the endpoint" }),
  })
  .openapi("RegisteredWebhook", {
    example: {
      message: "Webhook registered successfully",
      url: "http://example.com/webhook",
      event: "user_registered",
      endpoint_id: "ep_019a8f0c5d1b7c3e9a4f2b6d8e0c1a3f",
      secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    },
  })

const Webhooks = z
  .object({ webhooks: z.array(z.object({ event: z.string(), urls: z.array(z.string()) })) })
  .openapi("Webhooks", {
    example: {
      webhooks: [
        { event: "user_registered", urls: ["http://example.com/webhook"] },
        { event: "user_send_message", urls: [] },
      ],
    },
  })

export const webhooks = createRouter()

webhooks.openapi(
  operation({
    operationId: "registerWebhook",
    tags: ["Webhooks"],
    summary: "Register a URL for an event",
    description:
      "The event's name is lower-cased first. Registering a disabled endpoint's pair again enables it.",
    method: "post",
    path: "/webhook",
    middleware: [jsonBody()],
    request: { body: { required: true, content: { "application/json": { schema: Webhook } } } },
    responses: {
      200: { description: "Registered", content: { "application/json": { schema: Registered } } },
      ...withExamples(problems(400, 404, 409, 413, 507), {
        400: {
          detail: "Webhook URL 'http://example.com/webhook' already exists for event 'user_registered'",
        },
        404: { detail: "Event 'unknown' not found" },
        409: {
          code: "limit_reached",
          detail:
            "The application has 1000 endpoints already: remove one, or raise MAX_ENDPOINTS_PER_APPLICATION",
        },
      }),
      ...invalid,
    },
  }),
  async (c) => {
    const { event, url } = c.req.valid("json")
    const registered = await inWords(
      { not_found: noSuchEvent(event) },
      registerUrl(c.var.deps, {
        applicationId: APPLICATION,
        eventType: event,
        url: url.typed,
        keepSpelling: false,
        ownOrigin: new URL(c.req.url).origin,
      }),
    )
    if (registered.outcome === "exists") {
      throw new Problem(400, null, `Webhook URL '${url.href}' already exists for event '${event}'`)
    }
    return c.json(
      {
        message: "Webhook registered successfully",
        url: url.href,
        event,
        endpoint_id: registered.endpointId,
        ...(registered.secret === null ? {} : { secret: registered.secret }),
      },
      200,
    )
  },
)

webhooks.openapi(
  operation({
    operationId: "unregisterWebhook",
    tags: ["Webhooks"],
    summary: "Remove a URL from an event",
    description:
      "With its last event the endpoint is removed: it gets nothing more, pending retries included.",
    method: "delete",
    path: "/webhook",
    middleware: [jsonBody()],
    request: { body: { required: true, content: { "application/json": { schema: Webhook } } } },
    responses: {
      204: { description: "Removed" },
      ...withExamples(problems(404, 413), {
        404: { detail: "Webhook URL 'http://example.com/webhook' not found for event 'user_registered'" },
      }),
      ...invalid,
    },
  }),
  async (c) => {
    const { event, url } = c.req.valid("json")
    await inWords({ not_found: noSuchEvent(event) }, getEventType(c.var.deps, APPLICATION, event))
    await inWords(
      { not_found: new Problem(404, null, `Webhook URL '${url.href}' not found for event '${event}'`) },
      unregisterUrl(c.var.deps, { applicationId: APPLICATION, eventType: event, url: url.href }),
    )
    return c.body(null, 204)
  },
)

webhooks.openapi(
  operation({
    operationId: "listWebhooks",
    tags: ["Webhooks"],
    summary: "List the registered URLs by event",
    method: "get",
    path: "/webhooks",
    request: {
      query: z.object({ event_filter: z.string().optional().openapi({ example: "user_registered" }) }),
    },
    responses: {
      200: {
        description: "Every event, or the one named",
        content: { "application/json": { schema: Webhooks } },
      },
      ...withExamples(problems(404), { 404: { detail: "Event 'user_registered' has no registered URLs." } }),
      ...invalid,
    },
  }),
  async (c) => {
    const { event_filter: filter } = c.req.valid("query")
    if (filter !== undefined) await requireEventType(c.var.deps, [APPLICATION], filter)
    const subscriptions = await listSubscriptions(
      c.var.deps,
      APPLICATION,
      filter === undefined ? {} : { eventType: filter },
    )
    if (filter !== undefined && subscriptions.length === 0) {
      throw new Problem(404, null, `Event '${filter}' has no registered URLs.`)
    }
    const types = filter === undefined ? await listEventTypes(c.var.deps, APPLICATION) : [{ name: filter }]
    const listed = types.map(({ name }) => ({
      event: name,
      urls: subscriptions.filter(({ eventType }) => eventType === name).map(({ url }) => url),
    }))
    return c.json({ webhooks: listed }, 200)
  },
)

function noSuchEvent(event: string): Problem {
  return new Problem(404, null, `Event '${event}' not found`)
}
