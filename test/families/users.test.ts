import { env } from "cloudflare:workers"
import { beforeEach, describe, expect, it } from "vitest"
import { verify } from "../support/receiver.ts"
import { followLinks, insertUsers, NOON, userRow } from "../support/users.ts"
import { createWorld, ORIGIN, type World } from "../support/world.ts"

const HOOK = "http://receiver.example/hook"

let world: World

beforeEach(async () => {
  world = await createWorld()
})

async function register(event: string): Promise<string> {
  const response = await world.fetch("/webhook", { json: { event, url: HOOK } })
  const { secret } = await response.json<{ secret: string }>()
  return secret
}

async function createUsers(...names: string[]): Promise<void> {
  for (const username of names) await world.fetch("/users", { json: { username } })
}

describe("POST /users", () => {
  it("answers the name in lower case and the time with its offset", async () => {
    const response = await world.fetch("/users", { json: { username: "Alice" } })
    expect(response.status).toBe(200)
    expect(response.headers.get("content-type")).toBe("application/json")
    expect(await response.text()).toBe(`{"username":"alice","registered_at":"${NOON}"}`)
  })

  it("shows milliseconds that are not zero", async () => {
    world.clock.advance(779)
    const response = await world.fetch("/users", { json: { username: "Alice" } })
    expect(await response.json()).toEqual({
      username: "alice",
      registered_at: "2026-01-15T12:00:00.779+00:00",
    })
  })

  it("publishes user_registered with the answer's object as data", async () => {
    await register("user_registered")
    await world.fetch("/users", { json: { username: "Alice" } })
    await world.runAll()
    expect(world.receivers.received.map(({ body }) => body)).toEqual([
      `{"event":"user_registered","data":{"username":"alice","registered_at":"${NOON}"}}`,
    ])
  })

  it("sends receivers exactly the content type application/json", async () => {
    await register("user_registered")
    await createUsers("Alice")
    await world.runAll()
    expect(world.receivers.to(HOOK)[0]?.headers["content-type"]).toBe("application/json")
  })

  it("publishes nothing to those who asked for messages alone", async () => {
    await register("user_send_message")
    await createUsers("Alice")
    await world.runAll()
    expect(world.receivers.received).toEqual([])
  })

  it.each([
    ["the same name", "alice", "alice"],
    ["another case", "Alice", "aLICE"],
    ["another case beyond ASCII", "Élodie Ångström", "éLODIE åNGSTRÖM"],
    ["another case of Greek and Cyrillic", "Ωμέγα Ж", "ΩΜΈΓΑ ж"],
  ])("refuses a name that is taken: %s", async (_, first, second) => {
    await createUsers(first)
    const response = await world.fetch("/users", { json: { username: second } })
    expect(response.status).toBe(400)
    expect(await response.json()).toEqual({ detail: "Username already exists" })
  })

  it("publishes nothing for a name that is taken", async () => {
    await createUsers("Alice")
    await register("user_registered")
    await createUsers("ALICE")
    await world.runAll()
    expect(world.receivers.received).toEqual([])
  })

  it("keeps names apart that differ in more than case", async () => {
    await createUsers("é")
    const decomposed = await world.fetch("/users", { json: { username: "e\u0301" } })
    expect(decomposed.status).toBe(200)
  })

  it("takes one of 50 simultaneous requests for a name and refuses 49", async () => {
    const requests = Array.from({ length: 50 }, () => world.fetch("/users", { json: { username: "Alice" } }))
    const statuses = (await Promise.all(requests)).map(({ status }) => status).sort((a, b) => a - b)
    expect(statuses).toEqual([200, ...Array.from({ length: 49 }, () => 400)])
  })

  it("publishes one event for 50 simultaneous requests for a name", async () => {
    await register("user_registered")
    await Promise.all(Array.from({ length: 50 }, () => createUsers("Alice")))
    await world.runAll()
    expect(world.receivers.received).toHaveLength(1)
  })

  it("ignores unknown fields", async () => {
    const response = await world.fetch("/users?verbose=1", {
      json: { username: "Alice", id: 7, registered_at: "1970-01-01", admin: true },
    })
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({ username: "alice", registered_at: NOON })
  })

  it.each([
    ["one character", "x"],
    ["64 characters", "x".repeat(64)],
    ["64 characters beyond the basic plane", "🦉".repeat(64)],
    ["spaces and punctuation", " ' \" \\ <b> %20 "],
  ])("takes a name of %s", async (_, username) => {
    const response = await world.fetch("/users", { json: { username } })
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({ username, registered_at: NOON })
  })

  it.each([
    ["no content type", {}],
    ["an empty content type", { "content-type": "" }],
    ["a charset", { "content-type": "application/json; charset=utf-8" }],
    ["upper case", { "content-type": "Application/JSON" }],
    ["a +json type", { "content-type": "application/vnd.api+json" }],
  ])("takes a JSON body with %s", async (_, headers: Record<string, string>) => {
    const body = new TextEncoder().encode('{"username": "Alice"}')
    const response = await world.fetch("/users", { method: "POST", headers, body })
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({ username: "alice", registered_at: NOON })
  })

  it.each([
    "Zoë 🦉",
    "李小龍",
    "العربية",
    "e\u0301 👩‍👩‍👧‍👦 \u202e",
    "'; DROP TABLE users; --",
    '\\u0041 "q" </script>',
  ])("delivers the name %j byte for byte as signed", async (username) => {
    const secret = await register("user_registered")
    await createUsers(username)
    await world.runAll()
    const [delivery] = world.receivers.to(HOOK)
    expect(verify(secret, delivery)).toEqual({
      event: "user_registered",
      data: { username: username.toLowerCase(), registered_at: NOON },
    })
  })
})

describe("GET /users", () => {
  const list = (path = "/users") => world.fetch(path)

  it("answers an empty array while there are no users", async () => {
    const response = await list()
    expect(response.status).toBe(200)
    expect(response.headers.get("content-type")).toBe("application/json")
    expect(await response.text()).toBe("[]")
  })

  it("lists users oldest first, whatever their names", async () => {
    await createUsers("Mallory", "Alice")
    world.clock.advance(1500)
    await createUsers("Bob")
    expect(await (await list()).json()).toEqual([
      { username: "mallory", registered_at: NOON },
      { username: "alice", registered_at: NOON },
      { username: "bob", registered_at: "2026-01-15T12:00:01.500+00:00" },
    ])
  })

  it("lists the newest first where that is asked for, as many as are asked for, and links on", async () => {
    for (const name of ["a", "b", "c"]) {
      await createUsers(name)
      world.clock.advance(1000)
    }
    const first = await list("/users?order=descending&limit=2")
    const named = async (response: Response) =>
      (await response.json<{ username: string }[]>()).map(({ username }) => username)
    expect(await named(first)).toEqual(["c", "b"])
    const next = /<([^>]+)>/.exec(first.headers.get("link") ?? "")?.[1] ?? ""
    expect(await named(await list(next.replace(ORIGIN, "")))).toEqual(["a"])
  })

  it.each(["order=up", "limit=0", "limit=1001"])("refuses %s", async (query) => {
    expect((await list(`/users?${query}`)).status).toBe(422)
  })

  it("has no Link on a page of exactly 1,000", async () => {
    await insertUsers(1000)
    const response = await list()
    expect(await response.json()).toHaveLength(1000)
    expect(response.headers.get("link")).toBeNull()
  })

  it("stops at 1,000 and links to the next page", async () => {
    await insertUsers(1001)
    const response = await list()
    expect(await response.json()).toEqual(Array.from({ length: 1000 }, (_, n) => userRow(n)))
    expect(response.headers.get("link")).toMatch(
      new RegExp(`^<${ORIGIN}/users\\?cursor=[a-z0-9_]+>; rel="next"$`),
    )
  })

  it("lists every user once along the links", async () => {
    await insertUsers(2500)
    const pages = await followLinks(world, "/users")
    expect(pages.map(({ length }) => length)).toEqual([1000, 1000, 500])
    expect(pages.flat()).toEqual(Array.from({ length: 2500 }, (_, n) => userRow(n)))
  })

  it("refuses a cursor that is none", async () => {
    const response = await list("/users?cursor=1000")
    expect(response.status).toBe(422)
    expect(await response.json()).toEqual({
      detail: [expect.objectContaining({ loc: ["query", "cursor"] })],
    })
  })
})

describe("every path of the service", () => {
  it.each([
    "/nothing",
    "/user",
    "/users/alice",
    "/users/messages/1",
    "/webhook/1",
    "/pings",
    "/ping/a/b",
    "//users",
    "/%",
  ])("answers an unknown route with 404: %s", async (path) => {
    const response = await world.app.request(ORIGIN + path, {}, env)
    expect(response.status).toBe(404)
    expect(await response.json()).toEqual({ detail: "Not Found" })
  })

  it.each([
    ["DELETE", "/users", "GET, HEAD, POST"],
    ["PUT", "/users/", "GET, HEAD, POST"],
    ["PATCH", "/users/messages", "GET, HEAD, POST"],
    ["GET", "/webhook", "DELETE, POST"],
    ["PUT", "/webhook", "DELETE, POST"],
    ["POST", "/webhooks", "GET, HEAD"],
    ["GET", "/ping", "POST"],
    ["DELETE", "/ping/ping_019a8f0c5d1b7c3e9a4f2b6d8e0c1a3f", "GET, HEAD"],
    ["POST", "/openapi.json", "GET, HEAD"],
    ["POST", "/docs", "GET, HEAD"],
  ])("answers a wrong method with 405 and Allow: %s %s", async (method, path, allow) => {
    const response = await world.fetch(path, { method })
    expect(response.status).toBe(405)
    expect(response.headers.get("allow")).toBe(allow)
    expect(await response.json()).toEqual({ detail: "Method Not Allowed" })
  })

  it.each([
    ["GET", "/users", undefined, 200],
    ["POST", "/users", { username: "Zoë" }, 200],
    ["GET", "/users/messages", undefined, 422],
    ["POST", "/users/messages", { sender: "x", recipient: "y", subject: "", message: "" }, 400],
    ["POST", "/webhook", { event: "user_registered", url: HOOK }, 200],
    ["DELETE", "/webhook", { event: "user_registered", url: HOOK }, 404],
    ["GET", "/webhooks", undefined, 200],
    ["POST", "/ping", {}, 200],
    ["GET", "/openapi.json", undefined, 200],
    ["GET", "/docs", undefined, 200],
  ])("takes a trailing slash: %s %s/", async (method, path, json, status) => {
    const response = await world.fetch(`${path}/`, { method, ...(json ? { json } : {}) })
    expect(response.status).toBe(status)
  })

  it("answers 401 in its own shape when the token is missing", async () => {
    world = await createWorld({ AUTH_MODE: "token", API_TOKEN: "letmein" })
    const response = await world.fetch("/users")
    expect(response.status).toBe(401)
    expect(await response.json()).toEqual({ code: "unauthorized", detail: expect.any(String) })
  })

  it("answers 503 in its own shape while no token is set", async () => {
    world = await createWorld({ AUTH_MODE: "token" })
    const response = await world.fetch("/users")
    expect(response.status).toBe(503)
    expect(await response.json()).toEqual({
      code: "not_configured",
      detail: expect.stringContaining("API_TOKEN"),
    })
  })
})

describe("CORS", () => {
  const deployed = { AUTH_MODE: "token", API_TOKEN: "letmein" }
  const elsewhere = { origin: "https://app.example" }

  it.each(["POST", "DELETE", "GET", "PATCH"])(
    "lets any origin ask before a %s, without a token",
    async (method) => {
      world = await createWorld(deployed)
      const response = await world.fetch("/webhook", {
        method: "OPTIONS",
        headers: {
          ...elsewhere,
          "access-control-request-method": method,
          "access-control-request-headers": "authorization,content-type,x-anything",
        },
      })
      expect(response.status).toBe(204)
      expect(response.headers.get("access-control-allow-origin")).toBe("*")
      expect(response.headers.get("access-control-allow-methods")).toContain(method)
      expect(response.headers.get("access-control-allow-headers")).toBe(
        "authorization,content-type,x-anything",
      )
      expect(response.headers.get("access-control-allow-credentials")).toBeNull()
    },
  )

  it("lets any origin read answers and their Link", async () => {
    world = await createWorld(deployed)
    const response = await world.fetch("/users", {
      headers: { ...elsewhere, authorization: "Bearer letmein" },
    })
    expect(response.status).toBe(200)
    expect(response.headers.get("access-control-allow-origin")).toBe("*")
    expect(response.headers.get("access-control-expose-headers")).toBe("Link")
  })

  it.each([
    ["401", "/users", {}],
    ["404", "/nothing", { authorization: "Bearer letmein" }],
    ["422", "/users/messages", { authorization: "Bearer letmein" }],
  ])("lets any origin read a %s", async (status, path, headers) => {
    world = await createWorld(deployed)
    const response = await world.fetch(path, {
      headers: { ...elsewhere, ...headers } as Record<string, string>,
    })
    expect(String(response.status)).toBe(status)
    expect(response.headers.get("access-control-allow-origin")).toBe("*")
  })

  it("lets a loopback origin read in open mode", async () => {
    const response = await world.fetch("/users", { headers: { origin: "http://localhost:5173" } })
    expect(response.status).toBe(200)
    expect(response.headers.get("access-control-allow-origin")).toBe("http://localhost:5173")
  })

  it("gives no other origin leave in open mode", async () => {
    const response = await world.fetch("/users", { headers: elsewhere })
    expect(response.status).toBe(403)
    expect(response.headers.get("access-control-allow-origin")).toBeNull()
  })
})
