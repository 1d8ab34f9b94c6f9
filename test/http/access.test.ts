import { describe, expect, it } from "vitest"

import { createApp } from "../../src/app.ts"
import { issueToken } from "../../src/http/tokens.ts"
import { parseConfig } from "../../src/platform/config.ts"
import type { Deps } from "../../src/platform/deps.ts"
import { registerHook, registerUser } from "../support/make.ts"
import { attemptsOf, deliveryOf } from "../support/read.ts"
import { createWorld, ORIGIN, openConfig, type World } from "../support/world.ts"

const TOKEN = "token-Zm9vYmFyYmF6-first"
const SECOND = "token-cXV4cXV1eC4u-second"
const KEY = btoa("k".repeat(32))
const AUTHORIZED = { authorization: `Bearer ${TOKEN}` }
const OPEN_PATHS = ["/", "/health", "/docs", "/openapi.json", "/api/v1/health", "/api/v1/health/ping"]
const UP = [200, 204]

function tokenWorld(settings: Record<string, string> = {}) {
  return createWorld({
    AUTH_MODE: "token",
    API_TOKEN: `${TOKEN},${SECOND}`,
    ENCRYPTION_KEY: KEY,
    ALLOW_PRIVATE_TARGETS: "false",
    ...settings,
  })
}

/** A request to exactly this URL: `world.fetch` would read //users as a host. */
function send(world: World, url: string, init: RequestInit = {}): Promise<Response> {
  return Promise.resolve(world.app.request(url.startsWith("/") ? ORIGIN + url : url, init, world.env))
}

interface Route {
  method: string
  path: string
  /** A body that the route takes, from the document's example. */
  body: string | undefined
}

interface Document {
  paths: Record<string, Record<string, { requestBody?: { content?: Record<string, { schema?: Schema }> } }>>
  components: { schemas: Record<string, Schema> }
}
type Schema = { $ref?: string; example?: unknown }

/** Every operation of the OpenAPI document, and every route of the app that is not in it. */
async function routesOf(world: World): Promise<Route[]> {
  const document = await (await world.fetch("/openapi.json")).json<Document>()
  const documented = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]): Route => {
      const schema = operation.requestBody?.content?.["application/json"]?.schema
      const example = schema?.$ref ? document.components.schemas[schema.$ref.split("/").at(-1) ?? ""] : schema
      return {
        method: method.toUpperCase(),
        path: path.replace(/\{[^}]*\}/g, "x1"),
        body: example?.example === undefined ? undefined : JSON.stringify(example.example),
      }
    }),
  )
  const known = new Set(documented.map(({ method, path }) => `${method} ${path}`))
  const others = world.app.routes
    .filter(({ method }) => method !== "ALL")
    .map(({ method, path }): Route => ({ method, path: path.replace(/:[^/]+/g, "x1"), body: undefined }))
    .filter(({ method, path }) => !known.has(`${method} ${path}`))
  return [...documented, ...others]
}

async function closedRoutes(world: World): Promise<Route[]> {
  const all = await routesOf(world)
  const routes = all.filter(({ path }) => !OPEN_PATHS.includes(path))
  // Whatever is not named as open is closed: a list that has lost routes would prove nothing.
  expect(new Set(all.map(({ path }) => path)).size - new Set(routes.map(({ path }) => path)).size).toBe(
    OPEN_PATHS.length,
  )
  return routes
}

function call(world: World, { method, path, body }: Route, headers: Record<string, string>, query = "") {
  return send(world, path + query, {
    method,
    headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
    ...(body === undefined ? {} : { body }),
  })
}

/** The body of a refusal in the shape of the family that owns the path. */
async function expectShape(path: string, response: Response): Promise<void> {
  if (/^\/(un)?register$/.test(path)) {
    expect(response.headers.get("content-type")).toMatch(/^text\/plain/)
    expect(await response.text()).not.toBe("")
    return
  }
  const body = await response.json()
  if (/^\/(event_type|webhook\/register|upload_file|uploads)\b/.test(path)) {
    expect(body).toEqual({ message: expect.any(String), data: {}, error: true })
    return
  }
  const hint = path.startsWith("/api/v1/") && response.status === 401 ? { hint: expect.any(String) } : {}
  expect(body).toEqual({ code: expect.any(String), detail: expect.any(String), ...hint })
}

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

  it.each(["/unknown", "/api/v1/app", "/.env", "/users/x", "/ping/", "/dashboard", "/%00", "/%ff", "/%"])(
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
    const started = performance.now()
    for (const path of [`/${"/".repeat(60_000)}x`, `/${"/".repeat(60_000)}`, `/${"a/".repeat(30_000)}`]) {
      expect((await send(world, path)).status).toBe(401)
      expect((await send(world, path, { headers: AUTHORIZED })).status).toBe(404)
    }
    expect(
      (await send(world, "/users", { headers: { authorization: `Bearer${" ".repeat(60_000)}"` } })).status,
    ).toBe(401)
    expect(performance.now() - started).toBeLessThan(1000)
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

describe("CORS in token mode", () => {
  it("answers the preflight of every route without a token: any origin, method and requested header", async () => {
    const world = await tokenWorld()
    for (const { path } of await routesOf(world)) {
      for (const method of ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]) {
        const response = await send(world, path, {
          method: "OPTIONS",
          headers: {
            origin: "https://app.example",
            "access-control-request-method": method,
            "access-control-request-headers": "authorization, content-type, x-anything",
          },
        })
        expect(response.status).toBe(204)
        expect(response.headers.get("access-control-allow-origin")).toBe("*")
        expect(response.headers.get("access-control-allow-methods")?.split(/, */)).toContain(method)
        const allowed = response.headers.get("access-control-allow-headers")?.split(/, */)
        expect(allowed).toEqual(["authorization", "content-type", "x-anything"])
        expect(response.headers.get("access-control-allow-credentials")).toBeNull()
        expect(await response.text()).toBe("")
      }
    }
  })

  it("answers OPTIONS without ever running a route", async () => {
    const world = await tokenWorld()
    const before = await world.everything()
    for (const { path } of await routesOf(world)) {
      const response = await send(world, path, {
        method: "OPTIONS",
        body: JSON.stringify({ username: "mallory" }),
      })
      expect([path, response.status, await response.text()]).toEqual([path, 204, ""])
    }
    expect(await world.everything()).toBe(before)
  })

  it("lets pages read answers and refusals alike, Link included, without credentials", async () => {
    const world = await tokenWorld()
    const origin = "https://app.example"
    for (const [path, headers, status] of [
      ["/users", AUTHORIZED, 200],
      ["/users", {}, 401],
      ["/unknown", AUTHORIZED, 404],
      ["/users/messages", AUTHORIZED, 422],
    ] as const) {
      const response = await send(world, path, { headers: { ...headers, origin } })
      expect(response.status).toBe(status)
      expect(response.headers.get("access-control-allow-origin")).toBe("*")
      expect(response.headers.get("access-control-expose-headers")?.split(/, */)).toContain("Link")
      expect(response.headers.get("access-control-allow-credentials")).toBeNull()
    }
  })
})

describe("open mode", () => {
  const closed = [
    "evil.example",
    "evil.example:8787",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "localhost-evil.example",
    "evil-localhost",
    "notlocalhost",
    "0.0.0.0",
    "0.0.0.0:8787",
    "10.0.0.1",
    "192.168.1.10:8787",
    "169.254.169.254",
    "128.0.0.1",
    "126.255.255.255",
    "[::]",
    "[::2]",
    "[fe80::1]",
    "[::ffff:10.0.0.1]",
    "host.docker.internal",
    "posthorn.local",
    "localtest.me",
    "127.0.0.1.nip.io",
    "localhost:8787@evil.example",
    "127.0.0.1@evil.example",
    "xn--localhost-abc.example",
  ]

  it.each(closed)("answers 421 on the Host %s, the open paths included", async (host) => {
    const world = await createWorld()
    const before = await world.everything()
    for (const path of ["/users", "/unknown", ...OPEN_PATHS]) {
      const response = await send(world, `http://${host}${path}`)
      expect([path, response.status]).toEqual([path, 421])
      expect(response.headers.get("access-control-allow-origin")).toBeNull()
      await expectShape(path, response)
    }
    const preflight = await send(world, `http://${host}/users`, { method: "OPTIONS" })
    expect(preflight.status).toBe(421)
    const written = await send(world, `http://${host}/users`, {
      method: "POST",
      body: JSON.stringify({ username: "mallory" }),
    })
    expect(written.status).toBe(421)
    expect(await world.everything()).toBe(before)
  })

  it.each([
    "localhost",
    "localhost:8787",
    "LOCALHOST:1",
    "127.0.0.1:8000",
    "127.0.0.2",
    "127.1",
    "2130706433",
    "[::1]",
    "[::1]:8787",
    "[0:0:0:0:0:0:0:1]:8787",
    "posthorn.localhost:8787",
  ])("answers on the Host %s without a token", async (host) => {
    const world = await createWorld()
    expect((await send(world, `http://${host}/users`)).status).toBe(200)
    expect((await send(world, `http://${host}/docs`)).status).toBe(200)
  })

  it("answers 421 to what did not come through its own door, and writes nothing", async () => {
    const world = await createWorld()
    const before = await world.everything()
    const secret = "s".repeat(32)
    const json = { "content-type": "application/json" }
    const app = createApp(() => ({ ...world.deps, config: { ...world.config, openSecret: secret } }))
    const post = (headers: Record<string, string>) =>
      app.request(`${ORIGIN}/users`, {
        method: "POST",
        body: '{"username":"mallory"}',
        headers: { ...json, ...headers },
      })
    for (const given of ["", "s".repeat(31), "s".repeat(33), `${"s".repeat(31)}t`]) {
      const answer = await post({ "posthorn-open-secret": given })
      expect(answer.status).toBe(421)
      expect(await answer.text()).not.toContain("sss")
    }
    expect((await post({})).status).toBe(421)
    expect((await app.request(`${ORIGIN}/health`)).status).toBe(421)
    expect(await world.everything()).toBe(before)
    expect((await post({ "posthorn-open-secret": secret })).status).toBe(200)
    expect(JSON.stringify(world.logged)).not.toContain(secret)
  })

  it("does not believe a forwarded Host", async () => {
    const world = await createWorld()
    for (const name of ["x-forwarded-host", "x-host", "forwarded", "x-original-host"]) {
      const headers = { [name]: name === "forwarded" ? "host=localhost" : "localhost" }
      expect((await send(world, "http://evil.example/users", { headers })).status).toBe(421)
    }
  })

  it.each([
    { origin: "https://evil.example" },
    { origin: "http://evil.example:8787" },
    { origin: "null" },
    { origin: "" },
    { origin: "file://" },
    { origin: "http://localhost.evil.example" },
    { origin: "http://127.0.0.1.evil.example" },
    { origin: "http://127.0.0.1@evil.example" },
    { origin: "http://192.168.1.10" },
    { origin: "http://0.0.0.0:8787" },
    { origin: "chrome-extension://abcdefghijklmnop" },
    { origin: "localhost" },
    { origin: "http://localhost, https://evil.example" },
    { "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "cross-site", origin: "http://localhost:3000" },
    { "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image" },
  ] as Record<string, string>[])(
    "answers 403 to a page elsewhere, its preflight included: %o",
    async (headers) => {
      const world = await createWorld()
      const before = await world.everything()
      const requests: [string, RequestInit][] = [
        ["/users", { method: "GET" }],
        ["/users", { method: "POST", body: JSON.stringify({ username: "mallory" }) }],
        [
          "/webhook",
          { method: "POST", body: JSON.stringify({ event: "user_registered", url: "http://r.example/" }) },
        ],
        ["/ping", { method: "POST" }],
        ["/health", { method: "GET" }],
        ["/unknown", { method: "GET" }],
        ["/users", { method: "OPTIONS" }],
      ]
      for (const [path, init] of requests) {
        const response = await send(world, path, {
          ...init,
          headers: { ...headers, "access-control-request-method": "POST", "content-type": "text/plain" },
        })
        expect([init.method, path, response.status]).toEqual([init.method, path, 403])
        expect(response.headers.get("access-control-allow-origin")).toBeNull()
        await expectShape(path, response)
      }
      expect(await world.everything()).toBe(before)
      expect(world.queued).toEqual([])
    },
  )

  it.each([
    {},
    { "sec-fetch-site": "none", "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36" },
    // The preview of an editor, which names no site.
    { "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36" },
    { "sec-fetch-site": "same-origin", origin: ORIGIN },
    { "sec-fetch-site": "same-site", origin: "http://127.0.0.1:3000" },
  ] as Record<string, string>[])("takes a request of this machine: %o", async (headers) => {
    const world = await createWorld()
    expect((await world.fetch("/users", { json: { username: "alice" }, headers })).status).toBe(200)
  })

  it("opens CORS to loopback origins alone, each by its name", async () => {
    const world = await createWorld()
    for (const origin of [
      "http://localhost:3000",
      "http://127.0.0.1",
      "https://[::1]:8443",
      "http://app.localhost",
    ]) {
      const read = await send(world, "/users", { headers: { origin } })
      expect(read.headers.get("access-control-allow-origin")).toBe(origin)
      expect(read.headers.get("vary")).toMatch(/origin/i)
      expect(read.headers.get("access-control-allow-credentials")).toBeNull()
      const preflight = await send(world, "/users", {
        method: "OPTIONS",
        headers: {
          origin,
          "access-control-request-method": "POST",
          "access-control-request-headers": "content-type",
        },
      })
      expect(preflight.status).toBe(204)
      expect(preflight.headers.get("access-control-allow-origin")).toBe(origin)
      expect(preflight.headers.get("access-control-allow-headers")).toBe("content-type")
    }
    const bare = await send(world, "/users")
    expect(bare.headers.get("access-control-allow-origin")).toBeNull()
  })
})

describe("a delivery of our own that comes back", () => {
  const delivery = { "webhook-id": "evt_1", "user-agent": "Posthorn/0.1.0" }

  it("is answered 508 on every route, in both modes, with a token or without, and does nothing", async () => {
    for (const make of [() => createWorld(), tokenWorld]) {
      const world = await make()
      const before = await world.everything()
      for (const route of await closedRoutes(world)) {
        for (const headers of [delivery, { ...delivery, ...AUTHORIZED }]) {
          const response = await call(world, route, { ...headers, "user-agent": "Posthorn/9.9.9 (later)" })
          expect([route.path, response.status]).toEqual([route.path, 508])
          await expectShape(route.path, response)
        }
      }
      expect(await world.everything()).toBe(before)
    }
  })

  it("is known by both headers: either alone passes", async () => {
    const world = await createWorld()
    for (const headers of [
      { "webhook-id": "evt_1" },
      { "user-agent": "Posthorn/0.1.0" },
      { "webhook-id": "evt_1", "user-agent": "NotPosthorn/0.1.0" },
    ] as Record<string, string>[]) {
      expect((await world.fetch("/users", { headers })).status).toBe(200)
    }
  })

  it("is recognised by what we really send", async () => {
    const world = await createWorld()
    await registerHook(world, "http://receiver.example/hook")
    await registerUser(world, "alice")
    await world.runAll()
    const [sent] = world.receivers.received
    const response = await world.fetch("/users", { json: { username: "bob" }, headers: sent?.headers ?? {} })
    expect(response.status).toBe(508)
  })
})

function register(world: World, url: string, origin = ORIGIN, headers: Record<string, string> = AUTHORIZED) {
  return send(world, `${origin}/webhook`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ event: "user_registered", url }),
  })
}

async function registerHookAs(world: World, url: string): Promise<void> {
  expect((await register(world, url)).status).toBe(200)
}

async function expectRefusedTarget(world: World, url: string, origin = ORIGIN): Promise<void> {
  const before = await world.everything()
  const response = await register(world, url, origin)
  expect([url, response.status]).toEqual([url, 422])
  const { detail } = await response.json<{ detail: { loc: string[]; msg: string }[] }>()
  expect(detail[0]?.loc).toEqual(["body", "url"])
  expect(detail[0]?.msg).toMatch(/\w{3}/)
  expect(await world.everything()).toBe(before)
}

describe("our own host", () => {
  it.each([
    "http://127.0.0.1:8787/users",
    "http://localhost:8787/",
    "http://LOCALHOST:8787/",
    "http://localhost.:8787/",
    "http://deep.posthorn.localhost:8787/",
    "http://127.1:8787/",
    "http://127.0.0.2:8787/",
    "http://2130706433:8787/",
    "http://0x7f.0.0.1:8787/",
    "http://0177.0.0.1:8787/",
    "http://0.0.0.0:8787/",
    "http://[::1]:8787/",
    "http://[::]:8787/",
    "http://[::ffff:127.0.0.1]:8787/",
    "http://[0:0:0:0:0:ffff:7f00:1]:8787/",
    "https://127.0.0.1:8787/",
    "http://①②⑦.⓪.⓪.①:8787/",
  ])("is no target in open mode: %s", async (url) => {
    await expectRefusedTarget(await createWorld(), url)
  })

  it("is told from a receiver on another port of this machine", async () => {
    const world = await createWorld()
    for (const url of ["http://127.0.0.1:8788/", "http://localhost:3000/", "http://[::1]:80/"]) {
      expect((await register(world, url)).status).toBe(200)
    }
  })

  it.each([
    "https://posthorn.example/users",
    "https://POSTHORN.example/",
    "https://posthorn.example./",
    "https://posthorn.example:443/",
    "http://posthorn.example/",
    "https://public.example/hook",
    "https://Public.Example.:443/hook",
    "http://public.example/hook",
  ])("is no target in token mode, whether or not private targets are: %s", async (url) => {
    for (const ALLOW_PRIVATE_TARGETS of ["false", "true"]) {
      const world = await tokenWorld({ PUBLIC_URL: "https://public.example", ALLOW_PRIVATE_TARGETS })
      await expectRefusedTarget(world, url, "https://posthorn.example")
    }
  })

  it("is told from names that only contain it", async () => {
    const world = await tokenWorld({ PUBLIC_URL: "https://public.example" })
    for (const url of [
      "https://posthorn.example.org/",
      "https://my-public.example/",
      "https://example.net/",
    ]) {
      expect((await register(world, url, "https://posthorn.example")).status).toBe(200)
    }
  })

  it("is refused again at the attempt once PUBLIC_URL names it", async () => {
    const world = await createWorld()
    await registerHook(world, "https://public.example/hook")
    const eventId = await registerUser(world, "alice")
    await world.runDue(false, withSettings(world, { PUBLIC_URL: "https://public.example" }))
    expect(await outcomeOf(world, eventId)).toEqual(["failed", "refused-target", "refused-target"])
    expect(world.receivers.received).toEqual([])
  })
})

const PRIVATE_TARGETS = [
  "http://0.0.0.0/",
  "http://0.1.2.3/",
  "http://10.0.0.1/",
  "http://10.255.255.255:8080/",
  "http://100.64.0.1/",
  "http://127.0.0.1/",
  "http://127.255.255.254/",
  "http://169.254.169.254/latest/meta-data/",
  "http://172.16.0.1/",
  "http://172.31.255.255/",
  "http://192.0.0.1/",
  "http://192.0.2.1/",
  "http://192.88.99.1/",
  "http://192.168.0.1/",
  "http://198.18.0.1/",
  "http://198.19.255.255/",
  "http://198.51.100.1/",
  "http://203.0.113.1/",
  "http://224.0.0.1/",
  "http://239.255.255.255/",
  "http://240.0.0.1/",
  "http://255.255.255.255/",
  "http://[::]/",
  "http://[::1]/",
  "http://[::127.0.0.1]/",
  "http://[::ffff:127.0.0.1]/",
  "http://[::ffff:7f00:1]/",
  "http://[::ffff:169.254.169.254]/",
  "http://[64:ff9b::7f00:1]/",
  "http://[64:ff9b::10.0.0.1]/",
  "http://[64:ff9b:1::1]/",
  "http://[100::1]/",
  "http://[2001::1]/",
  "http://[2001:db8::1]/",
  "http://[2002:7f00:1::]/",
  "http://[3fff::1]/",
  "http://[5f00::1]/",
  "http://[fc00::1]/",
  "http://[fd12:3456::1]/",
  "http://[fe80::1]/",
  "http://[fec0::1]/",
  "http://[ff02::1]/",
  "http://2130706433/",
  "http://0x7f000001/",
  "http://0x7f.1/",
  "http://0177.0.0.1/",
  "http://017700000001/",
  "http://127.1/",
  "http://127.0.1/",
  "http://3232235521/",
  "http://0xa9fea9fe/",
  "http://127.0.0.1./",
  "http://127.0.0.1../",
  "http://１２７.０.０.１/",
  "http://①②⑦.⓪.⓪.①/",
  "http://127。0。0。1/",
  "http://%31%32%37.0.0.1/",
  "http://localhost/",
  "http://LOCALHOST/",
  "http://localhost./",
  "http://ｌｏｃａｌｈｏｓｔ/",
  "http://local\u00adhost/",
  "http://%6c%6f%63%61%6c%68%6f%73%74/",
  "http://foo.localhost/",
  "http://metadata.google.internal/",
  "http://metadata.google.internal./",
  "http://printer.local/",
  "http://router.home.arpa/",
  "https:127.0.0.1",
  "http:\\\\127.0.0.1\\",
  "http:///127.0.0.1/",
  " http://127.0.0.1/",
]

describe("a target in a private network", () => {
  it.each(PRIVATE_TARGETS)("is refused at registration in token mode: %s", async (url) => {
    await expectRefusedTarget(await tokenWorld(), url)
  })

  it.each([
    "ftp://receiver.example/",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "data:text/plain,x",
    "ws://receiver.example/",
    "//receiver.example/",
    "receiver.example/hook",
    "http://",
    "http://user@receiver.example/",
    "http://user:password@receiver.example/",
    "http://@127.0.0.1/",
    "http://receiver.example:99999/",
    "http://receiver.example\n/",
    "http://receiver\t.example/",
    "http://receiver.example/\u0000",
    "http://exa mple.com/",
    "http://a..b/",
    "http://[::1/",
    "http://[fe80::1%25eth0]/",
    `http://receiver.example/${"x".repeat(2048)}`,
  ])("is refused like every URL that is no target: %j", async (url) => {
    await expectRefusedTarget(await tokenWorld(), url)
  })

  it.each([
    "http://1.1.1.1/",
    "http://93.184.216.34/",
    "http://192.88.98.255/",
    "http://192.88.100.1/",
    "http://223.255.255.255/",
    "http://[2606:4700:4700::1111]/",
    "http://[2001:200::1]/",
    "http://[64:ff9b::1.1.1.1]/",
    "https://receiver.example:8443/hook?token=x",
    "http://localhost.example/",
    "http://internal.example/",
  ])("has public neighbours that pass: %s", async (url) => {
    expect((await register(await tokenWorld(), url)).status).toBe(200)
  })

  it.each(["http://10.0.0.1/hook", "http://localhost:9000/hook", "http://[::ffff:127.0.0.1]:9000/hook"])(
    "is refused again at the first attempt, and no request is made: %s",
    async (url) => {
      const world = await createWorld({ ALLOW_PRIVATE_TARGETS: "true" })
      await registerHook(world, url)
      const eventId = await registerUser(world, "alice")
      await world.runDue(false, withSettings(world, { ALLOW_PRIVATE_TARGETS: "false" }))
      expect(await outcomeOf(world, eventId)).toEqual(["failed", "refused-target", "refused-target"])
      expect(world.receivers.received).toEqual([])
    },
  )

  it("is refused again at a retry", async () => {
    const world = await createWorld({ ALLOW_PRIVATE_TARGETS: "true" })
    const url = "http://10.0.0.1/hook"
    world.receivers.at(url, 500)
    await registerHook(world, url)
    const eventId = await registerUser(world, "alice")
    await world.runDue()
    expect(world.receivers.received).toHaveLength(1)
    world.clock.advance(6_000)
    await world.runDue(false, withSettings(world, { ALLOW_PRIVATE_TARGETS: "false" }))
    expect(world.receivers.received).toHaveLength(1)
    expect(await outcomeOf(world, eventId)).toEqual(["failed", "refused-target", "refused-target"])
  })

  it("is refused again at a ping, which says so", async () => {
    const world = await createWorld({ ALLOW_PRIVATE_TARGETS: "true" })
    await registerHook(world, "http://10.0.0.1/hook")
    const strict = withSettings(world, { ALLOW_PRIVATE_TARGETS: "false" })
    const pass = world.clock.whileAsleep
    world.clock.whileAsleep = async (ms) => {
      await world.runDue(false, strict)
      await pass(ms)
    }
    const answer = await world.fetch("/ping", { method: "POST" })
    const { failed_webhooks: failed } = await answer.json<{ failed_webhooks: unknown[] }>()
    expect(failed).toEqual([
      { event: "user_registered", url: "http://10.0.0.1/hook", error: "Target refused", status_code: null },
    ])
    expect(world.receivers.received).toEqual([])
  })
})

/** The same system after its settings have changed. */
function withSettings(world: World, settings: Record<string, string>): Deps {
  return { ...world.deps, config: openConfig(settings) }
}

/** Status and reason of the event's one delivery, and the error of its last attempt. */
async function outcomeOf(world: World, eventId: string): Promise<(string | null | undefined)[]> {
  const attempts = await attemptsOf(world, eventId)
  const last = attempts.at(-1)
  const delivery = await deliveryOf(world, eventId, last?.endpointId ?? "")
  return [delivery.status, delivery.reason, last?.error]
}

describe("hostile input with a good token", () => {
  it("pollutes no prototype, and is answered with a 4xx or taken as it is", async () => {
    const world = await tokenWorld()
    const bodies = [
      '{"__proto__":{"polluted":1},"username":"a"}',
      '{"constructor":{"prototype":{"polluted":1}},"username":"b"}',
      '{"username":"__proto__"}',
      '{"username":"constructor"}',
      '{"username":{"__proto__":{"polluted":1}}}',
      '{"event":"__proto__","url":"https://receiver.example/"}',
      '{"event":"constructor","url":"https://receiver.example/"}',
      '{"event":"tostring","url":"https://receiver.example/"}',
    ]
    for (const path of ["/users", "/users/messages", "/webhook", "/ping"]) {
      for (const body of bodies) {
        const response = await send(world, path, { method: "POST", headers: AUTHORIZED, body })
        expect([path, body, response.status < 500]).toEqual([path, body, true])
      }
    }
    for (const path of [
      "/webhooks?event_filter=__proto__",
      "/webhooks?event_filter=constructor",
      "/ping/__proto__",
    ]) {
      expect((await send(world, path, { headers: AUTHORIZED })).status).toBe(404)
    }
    expect((await send(world, "/users?__proto__=1&constructor=2", { headers: AUTHORIZED })).status).toBe(200)
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
  })

  it("meets a 4xx when its JSON is nested as deep as the body allows", async () => {
    const world = await tokenWorld()
    for (const depth of [500, 1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 8_000, 12_000, 20_000, 100_000]) {
      const nested = `${"[".repeat(depth)}${"]".repeat(depth)}`
      for (const [path, body] of [
        ["/ping", `{"x":${nested}}`],
        ["/ping", nested],
        ["/users", `{"username":${nested}}`],
      ] as const) {
        const response = await send(world, path, { method: "POST", headers: AUTHORIZED, body })
        expect([path, depth, response.status < 500]).toEqual([path, depth, true])
      }
    }
  })

  it("cannot forge a line of the log", async () => {
    const world = await tokenWorld()
    await send(world, "/users?x=%0A%7B%22unit%22%3A%22request%22%7D", {
      headers: { ...AUTHORIZED, "user-agent": 'x","status":200,"y":"', referer: '"}\u2028{"unit":"request"' },
    })
    const lines = world.logged.filter((line) => line.unit === "request")
    expect(lines).toHaveLength(1)
    expect(JSON.stringify(lines[0])).not.toMatch(/[\r\n]/)
    expect(JSON.parse(JSON.stringify(lines[0]))).toMatchObject({
      status: 200,
      agent: 'x","status":200,"y":"',
    })
  })

  it("learns nothing of the inside from an unexpected fault", async () => {
    const world = await tokenWorld()
    world.probe.before = () => {
      throw new Error("D1_ERROR: secret inside at /src/db.ts")
    }
    const response = await world.fetch("/users", { json: { username: "alice" }, headers: AUTHORIZED })
    expect(response.status).toBe(500)
    const text = await response.text()
    expect(text).not.toMatch(/D1|secret|src|SELECT|INSERT|Error:/)
    const { code, detail } = JSON.parse(text) as { code: string; detail: string }
    expect(code).toBe("internal")
    expect(detail).toContain(response.headers.get("x-request-id"))
    expect(response.headers.get("access-control-allow-origin")).toBe("*")
  })

  it("gets an answer with a usable request id, whatever cf-ray it sends", async () => {
    const world = await tokenWorld()
    world.probe.before = () => {
      throw new Error("broken")
    }
    for (const ray of ["8f1e2d3c4b5a6978-FRA", "x".repeat(10_000), '"}<script>', "ünïcödé"]) {
      const response = await world.fetch("/users", {
        json: { username: "alice" },
        headers: { ...AUTHORIZED, "cf-ray": ray },
      })
      expect(response.status).toBe(500)
      expect(response.headers.get("content-type")).toMatch(/^application\/json/)
    }
  })
})

describe("the rights of an application's token", () => {
  /** What a token of the application may be used for outside of it, though it is not open to everybody. */
  const SHARED = [
    "GET /api/v1/event-type",
    "GET /api/v1/event-type/:event_type_name",
    "POST /api/v1/auth/logout",
  ]

  async function tokenOf(world: World, applicationId: string): Promise<string> {
    return issueToken(world.deps, applicationId, { featureFlags: [], lifetimeMs: 3_600_000 })
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
