import { swaggerUI } from "@hono/swagger-ui"
import { cors } from "hono/cors"
import { methodNotAllowed } from "hono/method-not-allowed"
import { createHealth } from "./api/health/system.ts"
import { createApi } from "./api/index.ts"
import { home } from "./dashboard/home.ts"
import { invoices } from "./families/invoices/index.ts"
import { ping } from "./families/ping/ping.ts"
import { uploads } from "./families/uploads/index.ts"
import { users } from "./families/users/index.ts"
import {
  access,
  guardOpenMode,
  isLoopbackOrigin,
  refuseLoops,
  requireToken,
} from "./http/middleware/access.ts"
import { MAX_JSON_DEPTH } from "./http/middleware/json-body.ts"
import { readOn } from "./http/middleware/read-on.ts"
import { requestLog } from "./http/middleware/request-log.ts"
import { Problem, toProblem } from "./http/problem.ts"
import { createRouter, type Dialect, plainDialect } from "./http/router.ts"
import { createDeps, type Deps } from "./platform/deps.ts"
import { consoleLog } from "./platform/log.ts"
import { VERSION } from "./platform/version.ts"

/** What a family brings: its routes, and the dialect in which its paths say that something went wrong. */
interface Family {
  router: ReturnType<typeof createRouter>
  paths?: RegExp
  dialect?: Dialect
}

/** The parts of the document, in the order in which people look for them. */
const TAGS = [
  { name: "Users", description: "A, the user notification service" },
  { name: "Webhooks", description: "Who is told of users and invoices, and pings" },
  { name: "Invoices", description: "B, the invoices" },
  { name: "Uploads", description: "C, file uploads with a notification" },
  { name: "Application", description: "Management: owners of endpoints and messages" },
  { name: "Event Type", description: "Management: the kinds of event that applications share" },
  { name: "Endpoint", description: "Management: receivers, their secrets, headers and health" },
  { name: "Message", description: "Management: what is sent" },
  { name: "Message Attempt", description: "Management: what became of it, and sending it again" },
  { name: "Authentication", description: "Management: tokens that reach one application" },
  { name: "Health", description: "Management: whether the API is up" },
  { name: "System", description: "Whether the whole system is well" },
]

const DOCUMENT = {
  openapi: "3.1.0",
  info: {
    title: "Posthorn",
    version: VERSION,
    description: `Webhooks sent from the edge. Bodies are sent as they are, not compressed; JSON has objects and lists at most ${MAX_JSON_DEPTH} deep within each other.`,
  },
  security: [{ bearer: [] }, {}],
  tags: TAGS,
}

export function createApp(makeDeps: (env: Env) => Deps = createDeps) {
  const app = createRouter()
  const families: Family[] = [users, ping, invoices, uploads, createApi()]

  const refuse: Dialect = (c, problem) => {
    const family = families.find(({ paths }) => paths?.test(c.req.path))
    return (family?.dialect ?? plainDialect)(c, problem)
  }

  app.onError((error, c) => refuse(c, toProblem(error, c.var.requestId)))
  app.notFound((c) => refuse(c, new Problem(404, null, "Not Found")))

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
  app.use(
    requestLog,
    methodNotAllowed({
      app,
      onMethodNotAllowed: (c, methods) =>
        refuse(
          c,
          new Problem(405, null, "Method Not Allowed", { headers: { allow: methods.sort().join(", ") } }),
        ),
    }),
    readOn,
    guardOpenMode,
  )
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
    document ??= JSON.stringify(app.getOpenAPI31Document(DOCUMENT))
    return c.body(document, 200, { "content-type": "application/json" })
  })
  return app
}

export const app = createApp()
