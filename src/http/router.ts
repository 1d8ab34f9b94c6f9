import { OpenAPIHono, z } from "@hono/zod-openapi"
import type { Context } from "hono"
import { getPath } from "hono/utils/url"
import type { Application } from "../engine/applications/application.ts"
import type { Deps } from "../platform/deps.ts"
import { EXAMPLES, type Example } from "./examples.ts"
import type { Principal } from "./middleware/access.ts"
import { fromZod, type InputIssue, type Problem } from "./problem.ts"

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
 * A router whose invalid input becomes a Problem, with the routes of those given, in their order; a trailing slash makes
 * no difference, but for one case (pathOf).
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
 * SDKs that join a base URL ending in a slash with a path ask for `//api/v1/…`: it is the management API all the
 * same, and older ones end each path in a slash. Only where somebody may have meant a thing of an application that
 * is named `..`, and not the application, does a slash at the end lead nowhere for whoever changes something.
 */
function pathOf(request: Request): string {
  const path = getPath(request).replace(/^\/+(?=\/api\/v1\/)/, "")
  if (FOLDED.test(path) && CHANGING.has(request.method)) return path
  return path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path
}

/** The shape of everything that has no contract of its own, and of A. */
export const plainDialect: Dialect = (c, problem) => {
  const { issues, headers = {} } = problem.extra
  for (const [name, value] of Object.entries(headers)) c.header(name, value)
  if (problem.status === 422) return c.json({ detail: issues ?? [wholeOf(problem)] }, 422)
  return c.json(
    problem.code === null ? { detail: problem.detail } : { code: problem.code, detail: problem.detail },
    problem.status,
  )
}

/** The one issue of a verb that refused its input as a whole, or a field of it. */
export function wholeOf({ code, detail, extra: { field } }: Problem): InputIssue {
  return { loc: field === undefined ? ["body"] : ["body", field], msg: detail, type: code ?? "invalid" }
}

const Refused = z
  .object({ code: z.string().optional(), detail: z.string() })
  .openapi("Error", { example: { code: "unauthorized", detail: "Send `Authorization: Bearer <API_TOKEN>`" } })

const InvalidInput = z
  .object({
    detail: z.array(
      z.object({ loc: z.array(z.union([z.string(), z.number()])), msg: z.string(), type: z.string() }),
    ),
  })
  .openapi("InvalidInput", {
    example: { detail: [{ loc: ["body", "url"], msg: "Field required", type: "missing" }] },
  })

const DESCRIPTIONS = {
  400: "Refused as things stand",
  401: "The token is missing or wrong",
  403: "The token is another application's, or open mode: the request comes from a page of another origin",
  404: "No such thing",
  409: "In conflict with what there is",
  413: "The body is larger than 256 KiB",
  415: "The body is compressed, or encoded in another way",
  421: "Open mode: the Host is not loopback",
  500: "An unexpected fault; quote the request id",
  503: "Not set up yet: the detail names the command",
  507: "The database is full",
  508: "One of our own deliveries came back to us",
} as const

type Status = keyof typeof DESCRIPTIONS

const SAID: Readonly<Record<Status, Example>> = {
  ...EXAMPLES,
  400: { detail: "Username already exists" },
  404: { code: "not_found", detail: "Invoice not found" },
  409: { code: "conflict", detail: "The invoice is paid already" },
}

/** What every route can answer besides its own, for `responses` of `createRoute`. */
const ALWAYS = [401, 403, 421, 500, 503, 508] as const

/** The same statuses, and 415 where a route reads a body: what can be too large can be compressed too. */
export function withEncoding<S extends number>(statuses: readonly S[]): (S | 415)[] {
  return statuses.some((status) => status === 413) ? [...statuses, 415] : [...statuses]
}

/** Entries for `responses`: the given error statuses and those that every route can answer. */
export function problems<S extends Status>(...statuses: S[]) {
  const entry = (status: Status) => ({
    description: DESCRIPTIONS[status],
    content: { "application/json": { schema: Refused, example: SAID[status] } },
  })
  const all = withEncoding([...ALWAYS, ...statuses])
  return Object.fromEntries(all.map((status) => [status, entry(status)])) as {
    [status in S | (typeof ALWAYS)[number]]: ReturnType<typeof entry>
  }
}

/** The entry for `responses` of a route that takes input. */
export const invalid = {
  422: {
    description: "The input does not fit; each entry says where and what to change",
    content: {
      "application/json": {
        schema: InvalidInput,
        example: { detail: [{ loc: ["body", "url"], msg: "Field required", type: "missing" }] },
      },
    },
  },
} as const
