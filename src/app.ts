import { swaggerUI } from "@hono/swagger-ui"
import { cors } from "hono/cors"

import { invoices } from "./apps/invoices/index.ts"
import { ping } from "./apps/ping.ts"
import { users } from "./apps/users/index.ts"
import { VERSION } from "./config.ts"
import { createDeps, type Deps } from "./deps.ts"
import { createHealth } from "./health.ts"
import { home } from "./home.ts"
import { guardOpenMode, isLoopbackOrigin, refuseLoops, requireToken } from "./http/access.ts"
import { Problem, toProblem } from "./http/problem.ts"
import { requestLog } from "./http/request-log.ts"
import { createRouter, type Dialect, plainDialect } from "./http/router.ts"
import { allowedMethods } from "./http/routes.ts"
import { consoleLog } from "./log.ts"

/** The families: each brings its routes, and the dialect in which its paths say that something went wrong. */
const families: { router: ReturnType<typeof createRouter>; paths?: RegExp; dialect?: Dialect }[] = [
  users,
  ping,
  invoices,
]

export function createApp(makeDeps: (env: Env) => Deps = createDeps) {
  const app = createRouter()

  app.onError((error, c) => {
    const problem = toProblem(error, c.var.requestId)
    const family = families.find(({ paths }) => paths?.test(c.req.path))
    return (family?.dialect ?? plainDialect)(c, problem)
  })
  app.notFound((c) => {
    const methods = allowedMethods(app, c.req.path)
    const problem =
      methods.length === 0
        ? new Problem(404, null, "Not Found")
        : new Problem(405, null, "Method Not Allowed", { headers: { allow: methods.join(", ") } })
    const family = families.find(({ paths }) => paths?.test(c.req.path))
    return (family?.dialect ?? plainDialect)(c, problem)
  })

  app.use(async (c, next) => {
    const ray = c.req.header("cf-ray") ?? ""
    c.set("requestId", /^[\w-]{1,64}$/.test(ray) ? ray : crypto.randomUUID())
    try {
      c.set("deps", makeDeps(c.env))
    } catch (error) {
      // Without settings there is no request line either.
      consoleLog({ unit: "fault", during: "settings", requestId: c.var.requestId, error: String(error) })
      throw error
    }
    await next()
  })
  app.use(requestLog, guardOpenMode)
  app.use(
    cors({
      origin: (origin, c) =>
        c.var.deps.config.authMode === "token" ? "*" : isLoopbackOrigin(origin) ? origin : null,
      allowMethods: ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
      exposeHeaders: ["Link"],
    }),
  )
  app.use(refuseLoops, requireToken)

  app.route("/", home)
  app.route("/", createHealth())
  for (const { router } of families) app.route("/", router)

  app.get("/docs", swaggerUI({ url: "/openapi.json", baseUrl: "/assets", title: "Posthorn API" }))
  app.openAPIRegistry.registerComponent("securitySchemes", "bearer", {
    type: "http",
    scheme: "bearer",
    description: "An API token. Open mode (npm start) needs none.",
  })
  app.doc31("/openapi.json", {
    openapi: "3.1.0",
    info: { title: "Posthorn", version: VERSION, description: "Webhooks sent from the edge." },
    security: [{ bearer: [] }, {}],
  })
  return app
}

export const app = createApp()
