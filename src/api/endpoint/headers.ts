import { z } from "@hono/zod-openapi"

import { changeHeaders, getHeaders, replaceHeaders } from "../../engine/endpoints/headers.ts"
import { isSensitiveHeader } from "../../engine/rules/sensitive-header.ts"
import { keyed } from "../../http/keyed.ts"
import { jsonBody } from "../../http/middleware/json-body.ts"
import { operation } from "../../http/operation.ts"
import { holds } from "../../http/principal.ts"
import { createRouter } from "../../http/router.ts"
import { refusals } from "../problems.ts"
import { EndpointPath } from "../wire.ts"
import { HeadersIn } from "./wire.ts"

const tags = ["Endpoint"]
const path = "/api/v1/app/{app_id}/endpoint/{endpoint_id}/headers"
const example = { headers: { "x-example": "123" } }

const EndpointHeadersIn = z.object({ headers: HeadersIn }).openapi("EndpointHeadersIn", { example })

const EndpointHeadersPatchIn = z
  .object({
    headers: keyed(z.string().nullable()).openapi({
      type: "object",
      additionalProperties: { type: ["string", "null"] },
    }),
    deleteHeaders: z
      .array(z.string())
      .optional()
      .openapi({ description: "Names of headers to take away, as null does" }),
  })
  .openapi("EndpointHeadersPatchIn", { example: { headers: { "x-example": "123", "x-other": null } } })

const EndpointHeadersOut = z
  .object({
    headers: z.record(z.string(), z.string()),
    sensitive: z
      .array(z.string())
      .openapi({ uniqueItems: true, description: "Names of headers that are sent, but never shown" }),
  })
  .openapi("EndpointHeadersOut", { example: { ...example, sensitive: ["authorization"] } })

export const endpointHeaders = createRouter()

endpointHeaders.openapi(
  operation({
    operationId: "v1.endpoint.get-headers",
    access: "application",
    tags,
    summary: "Get the headers that an endpoint is sent",
    description:
      "Of those that carry credentials the names alone are shown; to an application's token without `ViewEndpointSecret`, of all of them.",
    method: "get",
    path,
    request: { params: EndpointPath },
    responses: {
      200: { description: "The headers", content: { "application/json": { schema: EndpointHeadersOut } } },
      ...refusals(),
    },
  }),
  async (c) => {
    const { endpoint_id } = c.req.valid("param")
    const { application, principal } = c.var
    const all = Object.entries(await getHeaders(c.var.deps, application.id, endpoint_id))
    // Whatever its name is, its value may be what a receiver knows us by.
    const isHidden = (name: string) => isSensitiveHeader(name) || !holds(principal, "ViewEndpointSecret")
    const headers = Object.fromEntries(all.filter(([name]) => !isHidden(name)))
    const sensitive = all.map(([name]) => name).filter(isHidden)
    return c.json({ headers, sensitive }, 200)
  },
)

endpointHeaders.openapi(
  operation({
    operationId: "v1.endpoint.update-headers",
    access: "application",
    tags,
    summary: "Replace the headers that an endpoint is sent",
    method: "put",
    path,
    middleware: [jsonBody()],
    request: {
      params: EndpointPath,
      body: { required: true, content: { "application/json": { schema: EndpointHeadersIn } } },
    },
    responses: { 204: { description: "Replaced" }, ...refusals(413, 507) },
  }),
  async (c) => {
    const { endpoint_id } = c.req.valid("param")
    const { application } = c.var
    await replaceHeaders(c.var.deps, application.id, endpoint_id, c.req.valid("json").headers)
    return c.body(null, 204)
  },
)

endpointHeaders.openapi(
  operation({
    operationId: "v1.endpoint.patch-headers",
    access: "application",
    tags,
    summary: "Change the headers that an endpoint is sent",
    description: "What is not named stays; null takes a header away.",
    method: "patch",
    path,
    middleware: [jsonBody()],
    request: {
      params: EndpointPath,
      body: { required: true, content: { "application/json": { schema: EndpointHeadersPatchIn } } },
    },
    responses: { 204: { description: "Changed" }, ...refusals(413, 507) },
  }),
  async (c) => {
    const { endpoint_id } = c.req.valid("param")
    const { application } = c.var
    const { headers, deleteHeaders = [] } = c.req.valid("json")
    const change = { ...Object.fromEntries(deleteHeaders.map((name) => [name, null])), ...headers }
    await changeHeaders(c.var.deps, application.id, endpoint_id, change)
    return c.body(null, 204)
  },
)
