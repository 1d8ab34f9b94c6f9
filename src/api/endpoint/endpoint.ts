import { z } from "@hono/zod-openapi"

import { changeEndpoint, replaceEndpoint } from "../../engine/endpoints/change.ts"
import { type CreatedEndpoint, createEndpoint } from "../../engine/endpoints/create.ts"
import { getEndpoint, listEndpoints, removeEndpoint } from "../../engine/endpoints/endpoint.ts"
import type { Remember } from "../../engine/kit/idempotency.ts"
import { IdempotencyKey, idempotent } from "../../http/middleware/idempotency.ts"
import { jsonBody } from "../../http/middleware/json-body.ts"
import { operation } from "../../http/operation.ts"
import { sightOf } from "../../http/principal.ts"
import { createRouter } from "../../http/router.ts"
import { Iterator, Limit, listOf, Ordering, toList, toPageRequest } from "../page.ts"
import { refusals } from "../problems.ts"
import { AppPath, EndpointPath } from "../wire.ts"
import { EndpointIn, EndpointOut, EndpointPatch, EndpointUpdate, toSettings, toWire } from "./wire.ts"

const tags = ["Endpoint"]
const collection = "/api/v1/app/{app_id}/endpoint"
const path = "/api/v1/app/{app_id}/endpoint/{endpoint_id}"

const answer = (description: string) => ({
  description,
  content: { "application/json": { schema: EndpointOut } },
})

export const endpoints = createRouter()

endpoints.openapi(
  operation({
    operationId: "v1.endpoint.list",
    access: "application",
    tags,
    summary: "List the endpoints of an application, newest first",
    method: "get",
    path: collection,
    request: {
      params: AppPath,
      query: z.object({ limit: Limit, iterator: Iterator, order: Ordering.optional() }),
    },
    responses: {
      200: {
        description: "A page of endpoints",
        content: { "application/json": { schema: listOf("EndpointOut", EndpointOut) } },
      },
      ...refusals(),
    },
  }),
  async (c) => {
    const { application } = c.var
    const request = toPageRequest(c.req.valid("query"), "descending")
    const page = await listEndpoints(c.var.deps, application.id, request)
    return c.json(
      toList(page, ({ id }) => id, toWire),
      200,
    )
  },
)

endpoints.openapi(
  operation({
    operationId: "v1.endpoint.create",
    access: "application",
    tags,
    summary: "Create an endpoint",
    description: "Its secret is read with the operation of its own.",
    method: "post",
    path: collection,
    middleware: [jsonBody()],
    request: {
      params: AppPath,
      headers: IdempotencyKey,
      body: { required: true, content: { "application/json": { schema: EndpointIn } } },
    },
    responses: { 201: answer("Created"), ...refusals(413, 507) },
  }),
  async (c) => {
    const { deps } = c.var
    const { id: applicationId } = c.var.application
    const { headers, secret, ...given } = c.req.valid("json")
    const { body, status } = await idempotent(
      c,
      { applicationId },
      (remember: Remember<CreatedEndpoint> | undefined) =>
        createEndpoint(
          deps,
          {
            ...toSettings(given),
            applicationId,
            secret,
            headers: headers ?? {},
            ownOrigin: new URL(c.req.url).origin,
            sight: sightOf(c.var.principal),
          },
          remember,
        ),
      ({ endpoint }) => ({ status: 201, body: toWire(endpoint) }),
    )
    return c.json(body, status)
  },
)

endpoints.openapi(
  operation({
    operationId: "v1.endpoint.get",
    access: "application",
    tags,
    summary: "Get an endpoint",
    method: "get",
    path,
    request: { params: EndpointPath },
    responses: { 200: answer("The endpoint"), ...refusals() },
  }),
  async (c) => {
    const { endpoint_id } = c.req.valid("param")
    const { application } = c.var
    return c.json(toWire(await getEndpoint(c.var.deps, application.id, endpoint_id)), 200)
  },
)

endpoints.openapi(
  operation({
    operationId: "v1.endpoint.update",
    access: "application",
    tags,
    summary: "Replace an endpoint's settings, or create it",
    description:
      "Secret and headers stay. An endpoint that is named by its uid keeps it, or gets it, unless the body has another.",
    method: "put",
    path,
    middleware: [jsonBody()],
    request: {
      params: EndpointPath,
      body: { required: true, content: { "application/json": { schema: EndpointUpdate } } },
    },
    responses: { 200: answer("Replaced"), 201: answer("Created"), ...refusals(413, 507) },
  }),
  async (c) => {
    const { endpoint_id } = c.req.valid("param")
    const { id: applicationId } = c.var.application
    const given = c.req.valid("json")
    const { endpoint, created } = await replaceEndpoint(c.var.deps, {
      ...toSettings(given),
      uid: given.uid,
      applicationId,
      endpoint: endpoint_id,
      ownOrigin: new URL(c.req.url).origin,
      sight: sightOf(c.var.principal),
    })
    return c.json(toWire(endpoint), created ? 201 : 200)
  },
)

endpoints.openapi(
  operation({
    operationId: "patch_endpoint",
    access: "application",
    tags,
    summary: "Change an endpoint",
    description:
      "What is not named stays; null clears. Enabling a disabled endpoint starts afresh, and so does a new URL.",
    method: "patch",
    path,
    middleware: [jsonBody()],
    request: {
      params: EndpointPath,
      body: { required: true, content: { "application/json": { schema: EndpointPatch } } },
    },
    responses: { 200: answer("Changed"), ...refusals(413, 507) },
  }),
  async (c) => {
    const { endpoint_id } = c.req.valid("param")
    const { id: applicationId } = c.var.application
    const endpoint = await changeEndpoint(c.var.deps, {
      ...c.req.valid("json"),
      applicationId,
      endpoint: endpoint_id,
      ownOrigin: new URL(c.req.url).origin,
      sight: sightOf(c.var.principal),
    })
    return c.json(toWire(endpoint), 200)
  },
)

endpoints.openapi(
  operation({
    operationId: "v1.endpoint.delete",
    access: "application",
    tags,
    summary: "Delete an endpoint",
    description: "It gets nothing from now on, pending retries included.",
    method: "delete",
    path,
    request: { params: EndpointPath },
    responses: { 204: { description: "Deleted" }, ...refusals() },
  }),
  async (c) => {
    const { endpoint_id } = c.req.valid("param")
    const { application } = c.var
    await removeEndpoint(c.var.deps, application.id, endpoint_id)
    return c.body(null, 204)
  },
)
