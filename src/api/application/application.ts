import { z } from "@hono/zod-openapi"

import {
  type CreatedApplication,
  changeApplication,
  createApplication,
  listApplications,
  replaceApplication,
} from "../../engine/applications/application.ts"
import { CATALOG } from "../../engine/applications/built-in.ts"
import { removeApplication } from "../../engine/applications/remove.ts"
import type { Remember } from "../../engine/kit/idempotency.ts"
import { IdempotencyKey, idempotent } from "../../http/middleware/idempotency.ts"
import { jsonBody } from "../../http/middleware/json-body.ts"
import { operation } from "../../http/operation.ts"
import { createRouter } from "../../http/router.ts"
import { input } from "../input.ts"
import { Iterator, Limit, listOf, Ordering, Search, toList, toPageRequest } from "../page.ts"
import { refusals } from "../problems.ts"
import { AppPath, Flag } from "../wire.ts"
import { ApplicationIn, ApplicationOut, ApplicationPatch, toSettings, toWire } from "./wire.ts"

const tags = ["Application"]
const path = "/api/v1/app/{app_id}"

const body = { required: true, content: { "application/json": { schema: ApplicationIn } } } as const
const answer = (description: string) => ({
  description,
  content: { "application/json": { schema: ApplicationOut } },
})

export const applications = createRouter()

applications.openapi(
  operation({
    operationId: "v1.application.list",
    tags,
    summary: "List the applications",
    description:
      "Those that come with the system, `users`, `invoices`, `uploads`, `operations`, are among them. With `search`, an extension of ours, a page looks at 2,000 applications: it may be empty and not the last one.",
    method: "get",
    path: "/api/v1/app",
    request: {
      query: input(
        z.object({
          limit: Limit,
          iterator: Iterator,
          order: Ordering.optional(),
          search: Search.optional().openapi({
            description: "A part of the name, the uid or the id, whatever the case of ASCII letters",
          }),
        }),
        {
          unsupported: {
            exclude_apps_with_no_endpoints: "false",
            exclude_apps_with_disabled_endpoints: "false",
            exclude_apps_with_svix_play_endpoints: "false",
          },
        },
      ),
    },
    responses: {
      200: {
        description: "A page of applications",
        content: { "application/json": { schema: listOf("ApplicationOut", ApplicationOut) } },
      },
      ...refusals(),
    },
  }),
  async (c) => {
    const { search, ...query } = c.req.valid("query")
    const page = await listApplications(c.var.deps, toPageRequest(query, "ascending"), { search })
    const list = toList(page, ({ id }) => id, toWire)
    return c.json({ ...list, iterator: query.iterator?.startsWith("-") ? list.iterator : page.reached }, 200)
  },
)

applications.openapi(
  operation({
    operationId: "v1.application.create",
    tags,
    summary: "Create an application",
    description: "With `get_if_exists` the application that has the uid already is answered with 200.",
    method: "post",
    path: "/api/v1/app",
    middleware: [jsonBody()],
    request: { query: z.object({ get_if_exists: Flag }), headers: IdempotencyKey, body },
    responses: { 200: answer("There already"), 201: answer("Created"), ...refusals(413, 507) },
  }),
  async (c) => {
    const getIfExists = c.req.valid("query").get_if_exists
    const given = c.req.valid("json")
    const { status, body } = await idempotent(
      c,
      { applicationId: CATALOG },
      (remember: Remember<CreatedApplication> | undefined) =>
        createApplication(c.var.deps, toSettings(given), { getIfExists, remember }),
      ({ application, created }) => ({ status: created ? 201 : 200, body: toWire(application) }),
    )
    return c.json(body, status)
  },
)

applications.openapi(
  operation({
    operationId: "v1.application.get",
    access: "application",
    tags,
    summary: "Get an application",
    method: "get",
    path,
    request: { params: AppPath },
    responses: { 200: answer("The application"), ...refusals() },
  }),
  async (c) => c.json(toWire(c.var.application), 200),
)

applications.openapi(
  operation({
    operationId: "v1.application.update",
    makesApplication: true,
    tags,
    summary: "Replace an application, or create it",
    description: "An application that is named by its uid keeps it, or gets it, unless the body has another.",
    method: "put",
    path,
    middleware: [jsonBody()],
    request: { params: AppPath, body },
    responses: { 200: answer("Replaced"), 201: answer("Created"), ...refusals(413, 507) },
  }),
  async (c) => {
    const given = c.req.valid("json")
    const { application, created } = await replaceApplication(c.var.deps, c.req.valid("param").app_id, {
      ...toSettings(given),
      uid: given.uid,
    })
    return c.json(toWire(application), created ? 201 : 200)
  },
)

applications.openapi(
  operation({
    operationId: "patch_application",
    tags,
    summary: "Change an application",
    description: "What is not named stays; null clears.",
    method: "patch",
    path,
    middleware: [jsonBody()],
    request: {
      params: AppPath,
      body: { required: true, content: { "application/json": { schema: ApplicationPatch } } },
    },
    responses: { 200: answer("Changed"), ...refusals(413, 507) },
  }),
  async (c) => {
    const { application, deps } = c.var
    return c.json(toWire(await changeApplication(deps, application.id, c.req.valid("json"))), 200)
  },
)

applications.openapi(
  operation({
    operationId: "v1.application.delete",
    tags,
    summary: "Delete an application with its endpoints",
    description:
      "Nothing of it is delivered any more; where there are more than 500 endpoints, the others follow within seconds. Those that come with the system stay.",
    method: "delete",
    path,
    request: { params: AppPath },
    responses: { 204: { description: "Deleted" }, ...refusals() },
  }),
  async (c) => {
    await removeApplication(c.var.deps, c.var.application.id)
    return c.body(null, 204)
  },
)
