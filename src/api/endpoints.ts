import { createRoute, z } from "@hono/zod-openapi"

import { getApplication } from "../engine/applications.ts"
import { changeEndpoint, replaceEndpoint } from "../engine/endpoint-changes.ts"
import { getEndpoint, listEndpoints, removeEndpoint } from "../engine/endpoints.ts"
import type { Remember } from "../engine/idempotency.ts"
import { type CreatedEndpoint, createEndpoint } from "../engine/new-endpoint.ts"
import { sightOf } from "../http/access.ts"
import { IdempotencyKey, idempotent } from "../http/idempotency.ts"
import { jsonBody } from "../http/json-body.ts"
import { createRouter } from "../http/router.ts"
import {
  EndpointIn,
  EndpointOut,
  EndpointPatch,
  EndpointUpdate,
  toSettings,
  toWire,
} from "./endpoint-wire.ts"
import { Iterator, Limit, listOf, Ordering, toList, toPageRequest } from "./page.ts"
import { refusals } from "./problems.ts"
import { AppPath, EndpointPath } from "./wire.ts"

const tags = ["Endpoint"]
const collection = "/api/v1/app/{app_id}/endpoint"
const path = "/api/v1/app/{app_id}/endpoint/{endpoint_id}"

const answer = (description: string) => ({
  description,
  content: { "application/json": { schema: EndpointOut } },
})

export const endpoints = createRouter()

endpoints.openapi(
  createRoute({
    operationId: "v1.endpoint.list",
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
    const application = await getApplication(c.var.deps, c.req.valid("param").app_id)
    const request = toPageRequest(c.req.valid("query"), "descending")
    const page = await listEndpoints(c.var.deps, application.id, request)
    return c.json(
      toList(page, ({ id }) => id, toWire),
      200,
    )
  },
)

endpoints.openapi(
  createRoute({
    operationId: "v1.endpoint.create",
    tags,
    summary: "Create an endpoint",
    description: "Its secret is read with the operation of its own.",
    method: "post",
    path: collection,
    middleware: [jsonBody()] as const,
    request: {
      params: AppPath,
      headers: IdempotencyKey,
      body: { required: true, content: { "application/json": { schema: EndpointIn } } },
    },
    responses: { 201: answer("Created"), ...refusals(413) },
  }),
  async (c) => {
    const { deps } = c.var
    const { id: applicationId } = await getApplication(deps, c.req.valid("param").app_id)
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
  createRoute({
    operationId: "v1.endpoint.get",
    tags,
    summary: "Get an endpoint",
    method: "get",
    path,
    request: { params: EndpointPath },
    responses: { 200: answer("The endpoint"), ...refusals() },
  }),
  async (c) => {
    const { app_id, endpoint_id } = c.req.valid("param")
    const application = await getApplication(c.var.deps, app_id)
    return c.json(toWire(await getEndpoint(c.var.deps, application.id, endpoint_id)), 200)
  },
)

endpoints.openapi(
  createRoute({
    operationId: "v1.endpoint.update",
    tags,
    summary: "Replace an endpoint's settings, or create it",
    description:
      "Secret and headers stay. An endpoint that is named by its uid keeps it, or gets it, unless the body has another.",
    method: "put",
    path,
    middleware: [jsonBody()] as const,
    request: {
      params: EndpointPath,
      body: { required: true, content: { "application/json": { schema: EndpointUpdate } } },
    },
    responses: { 200: answer("Replaced"), 201: answer("Created"), ...refusals(413) },
  }),
  async (c) => {
    const { app_id, endpoint_id } = c.req.valid("param")
    const { id: applicationId } = await getApplication(c.var.deps, app_id)
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
  createRoute({
    operationId: "patch_endpoint",
    tags,
    summary: "Change an endpoint",
    description: "What is not named stays; null clears. Enabling a disabled endpoint starts afresh.",
    method: "patch",
    path,
    middleware: [jsonBody()] as const,
    request: {
      params: EndpointPath,
      body: { required: true, content: { "application/json": { schema: EndpointPatch } } },
    },
    responses: { 200: answer("Changed"), ...refusals(413) },
  }),
  async (c) => {
    const { app_id, endpoint_id } = c.req.valid("param")
    const { id: applicationId } = await getApplication(c.var.deps, app_id)
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
  createRoute({
    operationId: "v1.endpoint.delete",
    tags,
    summary: "Delete an endpoint",
    description: "It gets nothing from now on, pending retries included.",
    method: "delete",
    path,
    request: { params: EndpointPath },
    responses: { 204: { description: "Deleted" }, ...refusals() },
  }),
  async (c) => {
    const { app_id, endpoint_id } = c.req.valid("param")
    const application = await getApplication(c.var.deps, app_id)
    await removeEndpoint(c.var.deps, application.id, endpoint_id)
    return c.body(null, 204)
  },
)
