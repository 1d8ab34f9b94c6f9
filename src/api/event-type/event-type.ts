import { z } from "@hono/zod-openapi"

import { CATALOG, OPERATIONS } from "../../engine/applications/built-in.ts"
import { type CatalogType, getType, listTypes, type TypeOwner } from "../../engine/event-types/catalog.ts"
import {
  changeCatalogType,
  createCatalogType,
  expungeCatalogType,
  replaceCatalogType,
} from "../../engine/event-types/change-catalog.ts"
import type { Remember } from "../../engine/kit/idempotency.ts"
import { IdempotencyKey, idempotent } from "../../http/middleware/idempotency.ts"
import { jsonBody } from "../../http/middleware/json-body.ts"
import { operation } from "../../http/operation.ts"
import { type Principal, sightOf } from "../../http/principal.ts"
import { createRouter } from "../../http/router.ts"
import { Iterator, Limit, listOf, Ordering, Search, toList, toPageRequest } from "../page.ts"
import { refusals } from "../problems.ts"
import { EventTypeName, Flag } from "../wire.ts"
import {
  EventTypeIn,
  EventTypeOut,
  EventTypePatch,
  EventTypeUpdate,
  NewName,
  toSettings,
  toWire,
} from "./wire.ts"

const tags = ["Event Type"]
const path = "/api/v1/event-type/{event_type_name}"
const EventTypePath = z.object({ event_type_name: EventTypeName })

const answer = (description: string) => ({
  description,
  content: { "application/json": { schema: EventTypeOut } },
})

export const eventTypes = createRouter()

eventTypes.openapi(
  operation({
    operationId: "v1.event-type.list",
    access: "application",
    tags,
    summary: "List the event types by name",
    description:
      "Without `with_content` their schemas are left out. `group` and `search` are extensions of ours.",
    method: "get",
    path: "/api/v1/event-type",
    request: {
      query: z.object({
        limit: Limit,
        iterator: Iterator,
        order: Ordering.optional(),
        include_archived: Flag,
        with_content: Flag,
        group: EventTypeName.optional().openapi({ description: "The part of the name before its first dot" }),
        search: Search.optional().openapi({
          description: "A part of the name or the description, whatever the case of ASCII letters",
        }),
      }),
    },
    responses: {
      200: {
        description: "A page of event types",
        content: { "application/json": { schema: listOf("EventTypeOut", EventTypeOut) } },
      },
      ...refusals(),
    },
  }),
  async (c) => {
    const { include_archived: archived, with_content, group, search, ...query } = c.req.valid("query")
    const { deps, principal } = c.var
    const [owner] = ownersFor(principal)
    const page = await listTypes(deps, owner, toPageRequest(query, "ascending"), {
      archived,
      group,
      search,
      ...sightOf(principal),
    })
    const shown = (type: CatalogType) => toWire(with_content ? type : { ...type, schemas: null })
    return c.json(
      toList(page, ({ name }) => name, shown),
      200,
    )
  },
)

eventTypes.openapi(
  operation({
    operationId: "v1.event-type.create",
    tags,
    summary: "Create an event type, or take it out of the archive",
    description:
      "Endpoints that subscribed to an archived one do so again; its settings are those given now.",
    method: "post",
    path: "/api/v1/event-type",
    middleware: [jsonBody()],
    request: {
      headers: IdempotencyKey,
      body: { required: true, content: { "application/json": { schema: EventTypeIn } } },
    },
    responses: { 201: answer("Created"), ...refusals(413, 507) },
  }),
  async (c) => {
    const { name, ...given } = c.req.valid("json")
    const { status, body } = await idempotent(
      c,
      { applicationId: CATALOG },
      (remember: Remember<CatalogType> | undefined) =>
        createCatalogType(c.var.deps, name, toSettings(given), remember),
      (type) => ({ status: 201, body: toWire(type) }),
    )
    return c.json(body, status)
  },
)

eventTypes.openapi(
  operation({
    operationId: "v1.event-type.get",
    access: "application",
    tags,
    summary: "Get an event type",
    description: "Those that `operations` tells of can be read too, and are not listed.",
    method: "get",
    path,
    request: { params: EventTypePath },
    responses: { 200: answer("The event type"), ...refusals() },
  }),
  async (c) => {
    const { event_type_name: name } = c.req.valid("param")
    const { deps, principal } = c.var
    return c.json(toWire(await getType(deps, ownersFor(principal), name, sightOf(principal))), 200)
  },
)

eventTypes.openapi(
  operation({
    operationId: "v1.event-type.update",
    tags,
    summary: "Replace an event type, or create it",
    method: "put",
    path,
    middleware: [jsonBody()],
    request: {
      params: z.object({ event_type_name: NewName }),
      body: { required: true, content: { "application/json": { schema: EventTypeUpdate } } },
    },
    responses: { 200: answer("Replaced"), 201: answer("Created"), ...refusals(413, 507) },
  }),
  async (c) => {
    const { event_type_name: name } = c.req.valid("param")
    const { type, created } = await replaceCatalogType(c.var.deps, name, toSettings(c.req.valid("json")))
    return c.json(toWire(type), created ? 201 : 200)
  },
)

eventTypes.openapi(
  operation({
    operationId: "patch_event_type",
    tags,
    summary: "Change an event type",
    description: "What is not named stays; null clears.",
    method: "patch",
    path,
    middleware: [jsonBody()],
    request: {
      params: EventTypePath,
      body: { required: true, content: { "application/json": { schema: EventTypePatch } } },
    },
    responses: { 200: answer("Changed"), ...refusals(413, 507) },
  }),
  async (c) => {
    const { event_type_name: name } = c.req.valid("param")
    return c.json(toWire(await changeCatalogType(c.var.deps, name, c.req.valid("json"))), 200)
  },
)

eventTypes.openapi(
  operation({
    operationId: "v1.event-type.delete",
    tags,
    summary: "Archive an event type, or delete it for good",
    description:
      "Nothing new is sent with an archived one, and endpoints cannot subscribe to it; those that do already stay subscribed. With `expunge` it is deleted, if no endpoint subscribes to it.",
    method: "delete",
    path,
    request: { params: EventTypePath, query: z.object({ expunge: Flag }) },
    responses: { 204: { description: "Archived or deleted" }, ...refusals() },
  }),
  async (c) => {
    const { event_type_name: name } = c.req.valid("param")
    if (c.req.valid("query").expunge) await expungeCatalogType(c.var.deps, name)
    else await changeCatalogType(c.var.deps, name, { archived: true })
    return c.body(null, 204)
  },
)

/**
 * Whose types somebody reads. Those that `operations` tells of are there for its own tokens, and behind the
 * catalog for the operator; to customers they are nothing that their endpoints could get.
 */
function ownersFor(principal: Principal): readonly [TypeOwner, ...TypeOwner[]] {
  if (principal.kind === "operator") return [CATALOG, OPERATIONS]
  return principal.token.applicationId === OPERATIONS ? [OPERATIONS] : [CATALOG]
}
