import { OpenAPIHono } from "@hono/zod-openapi"
import type { Context } from "hono"
import { getPath } from "hono/utils/url"
import type { Application } from "../engine/applications/application.ts"
import type { Deps } from "../platform/deps.ts"
import type { Principal } from "./principal.ts"
import { fromZod, type Problem } from "./problem.ts"

export interface AppEnv {
  Bindings: Env
  Variables: {
    deps: Deps
    requestId: string
    principal: Principal
    /** The one that the path names, where an operation is about one (operation.ts). */
    application: Application
  }
}

/** How a family says that something went wrong. */
export type Dialect = (c: Context<AppEnv>, problem: Problem) => Response

const PART: Record<string, string> = {
  json: "body",
  form: "body",
  query: "query",
  param: "path",
  header: "header",
}

export type Router = OpenAPIHono<AppEnv>

/**
 * A router whose invalid input becomes a Problem, with the routes of those given, in their order; a trailing
 * slash makes no difference, but for one case (pathOf).
 */
export function createRouter(...parts: readonly Router[]): Router {
  const router = new OpenAPIHono<AppEnv>({
    getPath: pathOf,
    defaultHook: (result) => {
      if (!result.success) throw fromZod(PART[result.target] ?? result.target, result.error)
    },
  })
  for (const part of parts) router.route("/", part)
  return router
}

/** What a URL parser makes of `/api/v1/app/a/endpoint/..`, before the request is sent. */
const FOLDED = /^\/api\/v1\/app\/[^/]+\/$/
const CHANGING = new Set(["PUT", "PATCH", "DELETE"])

/**
 * SDKs that join a base URL ending in a slash with a path ask for `//api/v1/…`: it is the management API all
 * the same, and older ones end each path in a slash. Only where somebody may have meant a thing of an
 * application that is named `..`, and not the application, does a slash at the end lead nowhere for a request
 * that changes something.
 */
function pathOf(request: Request): string {
  const path = getPath(request).replace(/^\/+(?=\/api\/v1\/)/, "")
  if (FOLDED.test(path) && CHANGING.has(request.method)) return path
  return path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path
}
