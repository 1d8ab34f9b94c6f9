import { describe, expect, it } from "vitest"
import { issueToken } from "../../src/http/tokens.ts"
import { parseConfig } from "../../src/platform/config.ts"
import {
  AUTHORIZED,
  call,
  closedRoutes,
  expectShape,
  OPEN_PATHS,
  register,
  routesOf,
  SECOND,
  send,
  TOKEN,
  tokenWorld,
} from "../support/access.ts"
import { pace } from "../support/pace.ts"
import type { World } from "../support/world.ts"

const UP = [200, 204]

async function expectRefusedEverywhere(headers: Record<string, string>, query = ""): Promise<void> {
  const world = await tokenWorld()
  const before = await world.everything()
  for (const route of await closedRoutes(world)) {
    const response = await call(world, route, headers, query)
    expect([route.method, route.path, response.status]).toEqual([route.method, route.path, 401])
    expect(response.headers.get("www-authenticate")).toMatch(/^Bearer\b/)
    await expectShape(route.path, response)
  }
  expect(await world.everything()).toBe(before)
  expect(world.queued).toEqual([])
  expect(world.receivers.received).toEqual([])
}

describe("token mode", () => {
  it("answers 401 on every route without a token, and writes nothing", () => expectRefusedEverywhere({}))

  it.each([
    ["a wrong token", "Bearer wrong"],
    ["a prefix of the right token", `Bearer ${TOKEN.slice(0, -1)}`],
    ["the right token and a suffix", `Bearer ${TOKEN}x`],
    ["the right token in another case", `Bearer ${TOKEN.toUpperCase()}`],
    ["the whole setting", `Bearer ${TOKEN},${SECOND}`],
    ["two tokens", `Bearer ${TOKEN} ${SECOND}`],
    ["two headers in one", `Bearer ${TOKEN}, Bearer ${TOKEN}`],
    ["the token without a scheme", TOKEN],
    ["the token as Basic", `Basic ${TOKEN}`],
    ["the token as a Basic user", `Basic ${btoa(`${TOKEN}:`)}`],
    ["another scheme", `Token ${TOKEN}`],
    ["a scheme that only begins like ours", `Bearers ${TOKEN}`],
    ["no space after the scheme", `Bearer${TOKEN}`],
    ["an empty token", "Bearer "],
    ["a scheme alone", "Bearer"],
    ["a quoted token", `Bearer "${TOKEN}"`],
    ["a comma, which separates the setting", "Bearer ,"],
    ["a word that JavaScript might make of nothing", "Bearer undefined"],
  ])("answers 401 on every route to %s", (_, authorization) => expectRefusedEverywhere({ authorization }))

  it.each([
    `?token=${TOKEN}`,
    `?access_token=${TOKEN}`,
    `?api_key=${TOKEN}`,
    `?API_TOKEN=${TOKEN}`,
    `?authorization=Bearer%20${TOKEN}`,
  ])("takes no token from the query: %s", (query) => expectRefusedEverywhere({}, query))

  it.each([
    ["x-api-key", TOKEN],
    ["cookie", `token=${TOKEN}; authorization=Bearer ${TOKEN}`],
    ["proxy-authorization", `Bearer ${TOKEN}`],
    ["x-forwarded-authorization", `Bearer ${TOKEN}`],
    ["x-http-method-override", "OPTIONS"],
    ["x-original-url", "/health"],
    ["x-rewrite-url", "/health"],
    ["access-control-request-method", "POST"],
    ["host", "127.0.0.1"],
    ["cf-connecting-ip", "127.0.0.1"],
    ["x-forwarded-for", "127.0.0.1"],
    ["origin", "http://localhost"],
  ])("takes %s for no token", (name, value) => expectRefusedEverywhere({ [name]: value }))

  it("lets every route pass with any of the tokens", async () => {
    for (const token of [TOKEN, SECOND]) {
      const world = await tokenWorld()
      for (const route of await closedRoutes(world)) {
        const response = await call(world, route, { authorization: `Bearer ${token}` })
        expect([route.method, route.path, response.status]).not.toContain(401)
        expect(response.status).toBeLessThan(500)
      }
      // The bodies above are good ones: what refused them was the missing token alone.
      expect(
        world.logged.filter((line) => line.unit === "request" && line.status === 200).length,
      ).toBeGreaterThan(5)
    }
  })

  it("takes the scheme in any case", async () => {
    const world = await tokenWorld()
    for (const scheme of ["bearer", "BEARER", "Bearer  "]) {
      const response = await world.fetch("/users", { headers: { authorization: `${scheme} ${TOKEN}` } })
      expect(response.status).toBe(200)
    }
  })

  it("ignores spaces and empty entries in API_TOKEN", async () => {
    const world = await tokenWorld({ API_TOKEN: ` , ${TOKEN} ,, ` })
    expect((await world.fetch("/users", { headers: AUTHORIZED })).status).toBe(200)
    for (const authorization of ["Bearer ", "Bearer ,", "Bearer", ""]) {
      expect((await world.fetch("/users", { headers: { authorization } })).status).toBe(401)
    }
  })

  it("is what a deployment without settings gets", () => {
    expect(parseConfig({})).toMatchObject({ authMode: "token", apiTokens: [], allowPrivateTargets: false })
  })

  it.each(OPEN_PATHS)("answers %s without a token", async (path) => {
    const world = await tokenWorld()
    const slashed = path === "/" ? [] : [`${path}/`]
    for (const spelling of [path, ...slashed, `${path}?x=1`]) {
      expect(UP, spelling).toContain((await send(world, spelling)).status)
    }
    expect(UP).toContain((await send(world, path, { method: "HEAD" })).status)
  })

  it("lists as open nothing else", async () => {
    const world = await tokenWorld()
    const open: string[] = []
    for (const route of await routesOf(world)) {
      if ((await call(world, route, {})).status !== 401) open.push(route.path)
    }
    expect([...new Set(open)].sort()).toEqual([...OPEN_PATHS].sort())
  })

  it.each(["/unknown", "/api/v1/app", "/.env", "/users/x", "/ping/", "/dashboards", "/%00", "/%ff", "/%"])(
    "asks for the token before it says that there is no %s",
    async (path) => {
      const world = await tokenWorld()
      expect((await send(world, path)).status).toBe(401)
      expect((await send(world, path, { headers: AUTHORIZED })).status).not.toBe(401)
    },
  )

  it("asks for the token before it says which methods a route takes", async () => {
    const world = await tokenWorld()
    for (const method of ["PUT", "PATCH", "DELETE", "HEAD", "QUERY", "PROPFIND"]) {
      const response = await send(world, "/users", { method })
      expect([method, response.status, response.headers.get("allow")]).toEqual([method, 401, null])
    }
  })

  it.each([
    "/users/",
    "/users//",
    "//users",
    "///users",
    "//users//",
    "/./users",
    "/health/../users",
    "/health/./../users",
    "/docs/../users",
    "/openapi.json/../users",
    "/health/%2e%2e/users",
    "/health/%2E%2E%2Fusers",
    "/health/..%2Fusers",
    "/health%2F..%2Fusers",
    "/health%2f%2e%2e%2fusers",
    "/health%5C..%5Cusers",
    "/health\\..\\users",
    "/\\users",
    "/health/users",
    "/health;/../users",
    "/health;x",
    "/health//",
    "/health///",
    "//health",
    "/%2Fhealth",
    "/HEALTH",
    "/Health/",
    "/DOCS",
    "/OpenAPI.json",
    "/health%20",
    "/health%00",
    "/health%0a",
    "/health%3F",
    "/health%23",
    "/health.",
    "/docs/x",
    "/openapi.json/x",
    "/openapi.json%2Fx",
    "/assets/../users",
    "/USERS",
    "/Users",
    "/%75sers",
    "/%75%73%65%72%73/",
    "/%2575sers",
    "/users?/health",
    "/users?/../health",
    "/users%3F/health",
    "/users#/health",
    "/users/%2e/messages?recipient=a",
    "/users//messages?recipient=a",
    "/users%2Fmessages?recipient=a",
    "http://127.0.0.1:8787//health/",
    "http://health/users",
    "http://user:health@127.0.0.1:8787/users",
  ])("cannot be got round by the spelling %s", async (url) => {
    const world = await tokenWorld()
    await registerHookAs(world, "https://receiver.example/hook")
    const before = await world.everything()
    for (const method of ["GET", "POST", "DELETE"]) {
      const body = method === "GET" ? {} : { body: JSON.stringify({ username: "mallory" }) }
      const response = await send(world, url, { method, ...body })
      expect([method, response.status]).toEqual([method, 401])
    }
    expect(await world.everything()).toBe(before)
  })

  it("judges a long path in time that grows with its length", async () => {
    const world = await tokenWorld()
    const longest = 125 * pace()
    const started = performance.now()
    for (const path of [`/${"/".repeat(60_000)}x`, `/${"/".repeat(60_000)}`, `/${"a/".repeat(30_000)}`]) {
      expect((await send(world, path)).status).toBe(401)
      expect((await send(world, path, { headers: AUTHORIZED })).status).toBe(404)
    }
    expect(
      (await send(world, "/users", { headers: { authorization: `Bearer${" ".repeat(60_000)}"` } })).status,
    ).toBe(401)
    expect(performance.now() - started).toBeLessThan(longest)
  })

  it("answers 503 and names the command when no API_TOKEN is set, even to a caller with a token", async () => {
    for (const API_TOKEN of ["", " , "]) {
      const world = await tokenWorld({ API_TOKEN })
      const before = await world.everything()
      for (const route of await closedRoutes(world)) {
        const response = await call(world, route, AUTHORIZED)
        expect([route.path, response.status]).toEqual([route.path, 503])
        expect(await response.clone().text()).toContain("wrangler secret put API_TOKEN")
        await expectShape(route.path, response)
      }
      expect(await world.everything()).toBe(before)
      for (const path of OPEN_PATHS) expect(UP, path).toContain((await send(world, path)).status)
    }
  })

  it("answers 503 to who makes an endpoint without ENCRYPTION_KEY, names the command, writes nothing", async () => {
    const world = await tokenWorld({ ENCRYPTION_KEY: "" })
    const before = await world.everything()
    const response = await world.fetch("/webhook", {
      json: { event: "user_registered", url: "https://receiver.example/hook" },
      headers: AUTHORIZED,
    })
    expect(response.status).toBe(503)
    const { code, detail } = await response.json<{ code: string; detail: string }>()
    expect(code).toBe("not_configured")
    expect(detail).toContain("wrangler secret put ENCRYPTION_KEY")
    expect(await world.everything()).toBe(before)
  })

  it("needs no ENCRYPTION_KEY for what makes no endpoint", async () => {
    const world = await tokenWorld({ ENCRYPTION_KEY: "" })
    const created = await world.fetch("/users", { json: { username: "alice" }, headers: AUTHORIZED })
    expect(created.status).toBe(200)
    expect((await world.fetch("/webhooks", { headers: AUTHORIZED })).status).toBe(200)
  })

  it("answers on any Host and to any Origin, with the token", async () => {
    const world = await tokenWorld()
    const headers = { ...AUTHORIZED, origin: "https://app.example", "sec-fetch-site": "cross-site" }
    expect((await send(world, "https://posthorn.example/users", { headers })).status).toBe(200)
  })
})

async function registerHookAs(world: World, url: string): Promise<void> {
  expect((await register(world, url)).status).toBe(200)
}

describe("the rights of an application's token", () => {
  /** What a token of the application may be used for outside of it, though it is not open to everybody. */
  const SHARED = [
    // Its own tasks, and no others: test/api/background-task.test.ts.
    "GET /api/v1/background-task",
    "GET /api/v1/background-task/:task_id",
    "POST /api/v1/background-task/:task_id/cancel",
    "GET /api/v1/event-type",
    "GET /api/v1/event-type/:event_type_name",
    "GET /api/v1/auth/session",
    "POST /api/v1/auth/logout",
  ]

  async function tokenOf(world: World, applicationId: string): Promise<string> {
    return issueToken(world.deps, applicationId, {
      capabilities: null,
      featureFlags: [],
      sessionId: null,
      lifetimeMs: 3_600_000,
    })
  }

  it("do not hold for a route that says nothing, be it in the application's own paths", async () => {
    const world = await tokenWorld()
    world.app.get("/api/v1/app/:app_id/transformation", (c) => c.text("in"))
    world.app.get("/transformation", (c) => c.text("in"))
    const token = await tokenOf(world, "app_users")
    for (const path of ["/api/v1/app/users/transformation", "/transformation"]) {
      const refused = await send(world, path, { headers: { authorization: `Bearer ${token}` } })
      expect(refused.status).toBe(403)
      const answered = await send(world, path, { headers: { authorization: `Bearer ${TOKEN}` } })
      expect(await answered.text()).toBe("in")
    }
  })

  it("reach no route of the running app on another application", async () => {
    const world = await tokenWorld()
    const token = await tokenOf(world, "app_users")
    const routes = new Map(
      world.app.routes
        .filter(({ method }) => method !== "ALL")
        .map(({ method, path }) => [`${method} ${path}`, { method, path }]),
    )
    const letIn: string[] = []
    for (const [name, { method, path }] of routes) {
      const asked = path.replace(":app_id", "invoices").replace(/:[^/]+/g, "x1")
      const body = ["POST", "PUT", "PATCH"].includes(method) ? "{}" : null
      const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" }
      const { status } = await send(world, asked, { method, headers, body })
      if (status !== 403) letIn.push(name)
    }
    const open = OPEN_PATHS.map((path) => `GET ${path}`)
    expect(letIn.sort()).toEqual([...SHARED, ...open].sort())
  })
})
