import { swaggerUI } from "@hono/swagger-ui"
import { cors } from "hono/cors"
import { methodNotAllowed } from "hono/method-not-allowed"
import { dashboard } from "./dashboard/shell.ts"
import { families as all } from "./families.ts"
import { dialectsOf } from "./http/dialects/of-path.ts"
import type { Family } from "./http/family.ts"
import { access, requireToken } from "./http/middleware/access.ts"
import { withDeps } from "./http/middleware/deps.ts"
import { drainBody } from "./http/middleware/drain-body.ts"
import { MAX_JSON_DEPTH } from "./http/middleware/json-body.ts"
import { refuseLoops } from "./http/middleware/loops.ts"
import { guardOpenMode, isLoopbackOrigin } from "./http/middleware/open-mode.ts"
import { requestLog } from "./http/middleware/request-log.ts"
import { Problem, toProblem } from "./http/problem.ts"
import { createRouter, type Dialect, type Router } from "./http/router.ts"
import { createDeps, type Deps } from "./platform/deps.ts"
import { VERSION } from "./platform/version.ts"

const DOCUMENT = {
  openapi: "3.1.0",
  info: {
    title: "Posthorn",
    version: VERSION,
    description: `Webhooks sent from the edge. Bodies are sent as they are, not compressed; JSON has objects and lists at most ${MAX_JSON_DEPTH} deep within each other.`,
  },
  security: [{ bearer: [] }, {}],
}

/** The whole HTTP surface: what everybody shares, and what each family declares. */
export function createApp(
  makeDeps: (env: Env) => Deps = (env) => createDeps(env, all),
  families: readonly Family[] = all,
) {
  const app = createRouter()
  const parts = families.flatMap((family) => family.parts())
  const dialectOf = dialectsOf(parts)
  const refuse: Dialect = (c, problem) => dialectOf(c.req.path)(c, problem)

  app.onError((error, c) => refuse(c, toProblem(error, c.var.requestId)))
  app.notFound((c) => refuse(c, new Problem(404, null, "Not Found")))

  app.use(withDeps(makeDeps), requestLog, refuseOtherMethods(app, refuse))
  app.use(drainBody((config) => Math.max(0, ...families.map((family) => family.maxBodyBytes?.(config) ?? 0))))
  app.use(guardOpenMode, allowOrigins, refuseLoops, requireToken)

  app.route("/", dashboard)
  for (const { router } of parts) app.route("/", router)
  serveDocument(app, families)
  return app
}

/** Answers 405, with the methods that there are, where a path has routes and none of this method. */
function refuseOtherMethods(app: Router, refuse: Dialect) {
  return methodNotAllowed({
    app,
    onMethodNotAllowed: (c, methods) => {
      const headers = { allow: methods.sort().join(", ") }
      return refuse(c, new Problem(405, null, "Method Not Allowed", { headers }))
    },
  })
}

/** Any page may ask what a token opens; in open mode those of this machine alone. */
const allowOrigins = cors({
  origin: (origin, c) =>
    // Most requests have none, which comes as an empty text.
    c.var.deps.config.authMode === "token" ? "*" : origin && isLoopbackOrigin(origin) ? origin : null,
  allowMethods: ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
  exposeHeaders: ["Link"],
})

/** `/openapi.json`, made of all routes that are mounted, and `/docs`, which shows it. */
function serveDocument(app: Router, families: readonly Family[]): void {
  app.get(
    "/docs",
    access("anybody"),
    swaggerUI({ url: "/openapi.json", baseUrl: "/assets", title: "Posthorn API" }),
  )
  app.openAPIRegistry.registerComponent("securitySchemes", "bearer", {
    type: "http",
    scheme: "bearer",
    description:
      "An API token, or for one application's part of the management API its own. Open mode (npm start) needs none.",
  })
  let document: string | null = null
  app.get("/openapi.json", access("anybody"), (c) => {
    // Made once: the routes never change, and walking all their schemas takes longer than any other answer.
    const tags = families.flatMap((family) => family.tags ?? [])
    document ??= JSON.stringify(app.getOpenAPI31Document({ ...DOCUMENT, tags }))
    return c.body(document, 200, { "content-type": "application/json" })
  })
}

export const app = createApp()
