import { env } from "cloudflare:workers"
import { beforeEach, describe, expect, it } from "vitest"

import { createWorld, type World } from "../support/world.ts"

const HOOK = "http://receiver.example/hook"
const LIMIT_BYTES = 256 * 1024
const TABLES = [
  "users",
  "messages",
  "endpoints",
  "subscriptions",
  "secrets",
  "events",
  "deliveries",
  "attempts",
]

/** Every route that takes a body, with one that fits: each would write, or send, or remove something. */
const ROUTES = [
  { method: "POST", path: "/users", fits: { username: "Carol" } },
  {
    method: "POST",
    path: "/users/messages",
    fits: { sender: "Alice", recipient: "Bob", subject: "Hello", message: "How are you?" },
  },
  { method: "POST", path: "/webhook", fits: { event: "user_send_message", url: HOOK } },
  { method: "DELETE", path: "/webhook", fits: { event: "user_registered", url: HOOK } },
  { method: "POST", path: "/ping", fits: { username: "Carol" } },
]
const [USERS, MESSAGES, WEBHOOK, UNREGISTER] = ROUTES as [Route, Route, Route, Route]
type Route = (typeof ROUTES)[number]

let world: World

beforeEach(async () => {
  world = await createWorld()
  for (const username of ["Alice", "Bob"]) await world.fetch("/users", { json: { username } })
  await world.fetch("/webhook", { json: { event: "user_registered", url: HOOK } })
  await world.runAll()
})

function send({ method, path }: Route, body: BodyInit, contentType: string | null = "application/json") {
  return world.fetch(path, {
    method,
    body: typeof body === "string" ? new TextEncoder().encode(body) : body,
    ...(contentType === null ? {} : { headers: { "content-type": contentType } }),
  })
}

async function countRows(): Promise<Record<string, number>> {
  const counts = await env.DB.batch<{ rows: number }>(
    TABLES.map((table) => env.DB.prepare(`SELECT count(*) AS rows FROM ${table}`)),
  )
  return Object.fromEntries(TABLES.map((table, n) => [table, counts[n]?.results[0]?.rows ?? -1]))
}

/** Makes the request; it must leave every table as it was and send nothing. */
async function writingNothing(request: () => Promise<Response>): Promise<Response> {
  const before = await countRows()
  const response = await request()
  await world.runAll()
  expect(await countRows()).toEqual(before)
  expect(world.receivers.received).toEqual([])
  return response
}

async function expectRefusal(response: Response, loc: (string | number)[], type: string): Promise<void> {
  expect(response.status).toBe(422)
  expect(response.headers.get("content-type")).toBe("application/json")
  expect(await response.json()).toEqual({ detail: [{ loc, msg: expect.stringMatching(/\w+ \w+/), type }] })
}

describe.each(ROUTES)("$method $path", (route) => {
  const json = JSON.stringify(route.fits)

  it("takes the body that the cases below spoil", async () => {
    world.pingsWork()
    expect((await send(route, json)).status).toBe(route.method === "DELETE" ? 204 : 200)
  })

  it.each([
    ["breaks off", json.slice(0, -1)],
    ["goes on after its end", `${json}x`],
    ["has single quotes", json.replaceAll('"', "'")],
    ["has bare keys", '{username: "Carol"}'],
    ["has a comma too many", `${json.slice(0, -1)},}`],
    ["has a comment", `/* */ ${json}`],
    ["is a form", "username=Carol&event=user_registered"],
    ["is a bare word", "undefined"],
    ["is white space", " \n"],
    ["has a line break inside a string", '{"username": "Ca\nrol", "event": "user_registered\n"}'],
    ["has a number that is none", '{"a": NaN}'],
  ])("refuses a body that %s", async (_, body) => {
    await expectRefusal(await writingNothing(() => send(route, body)), ["body"], "json_invalid")
  })

  it("refuses a body that is nested too deeply", async () => {
    const body = `{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`
    await expectRefusal(await writingNothing(() => send(route, body)), ["body"], "json_too_deep")
  })

  it.each([
    ["half a character", [0xc3]],
    ["a byte that never occurs", [0xff]],
    ["a surrogate", [0xed, 0xa0, 0x80]],
    ["Latin-1", [0xe9]],
  ])("refuses a body that is not UTF-8: %s", async (_, bytes) => {
    const encoder = new TextEncoder()
    const start = encoder.encode(`${json.slice(0, -1)},"x":"`)
    const body = new Uint8Array([...start, ...bytes, ...encoder.encode('"}')])
    await expectRefusal(await writingNothing(() => send(route, body)), ["body"], "json_invalid")
  })

  it.each([
    ["half a pair in a value", '"x":"\\ud83d"'],
    ["the other half", '"x":"a\\udd89b"'],
    ["a pair the wrong way round", '"x":"\\udd89\\ud83d"'],
    ["half a pair in a key", '"\\ud83d":1'],
    ["half a pair far inside", '"x":[{"y":["\\ud83d"]}]'],
  ])("refuses an unpaired surrogate: %s", async (_, member) => {
    const body = `${json.slice(0, -1)},${member}}`
    await expectRefusal(await writingNothing(() => send(route, body)), ["body"], "string_unicode")
  })

  it.each([
    "text/plain",
    "text/plain;charset=UTF-8",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/xml",
    "application/octet-stream",
    "application/jsonp",
    "text/json",
    "json",
  ])("refuses a body of the type %s", async (contentType) => {
    const response = await writingNothing(() => send(route, json, contentType))
    await expectRefusal(response, ["header", "content-type"], "content_type")
  })

  it("refuses a body over 256 KiB", async () => {
    const response = await writingNothing(() => send(route, json.padEnd(LIMIT_BYTES + 1)))
    expect(response.status).toBe(413)
    expect(await response.json()).toEqual({
      code: "payload_too_large",
      detail: `The body has at most ${LIMIT_BYTES} bytes`,
    })
  })

  it("refuses a body over 256 KiB whose length is not declared", async () => {
    const chunk = new TextEncoder().encode(" ".repeat(1024))
    const endless = new ReadableStream({ pull: (controller) => controller.enqueue(chunk) })
    const response = await writingNothing(() => send(route, endless))
    expect(response.status).toBe(413)
    expect(await response.json()).toMatchObject({ code: "payload_too_large" })
  })

  it("takes a body of exactly 256 KiB", async () => {
    world.pingsWork()
    const response = await send(route, json.padEnd(LIMIT_BYTES))
    expect(response.status).toBe(route.method === "DELETE" ? 204 : 200)
  })

  it.each([
    ["an array", "[]"],
    ["a string", '"Carol"'],
    ["a number", "1"],
    ["true", "true"],
  ])("refuses %s for an object", async (_, body) => {
    await expectRefusal(await writingNothing(() => send(route, body)), ["body"], "invalid_type")
  })
})

const NEEDING = ROUTES.filter(({ path }) => path !== "/ping")

describe.each(NEEDING)("$method $path", (route) => {
  it.each([
    ["none", {}],
    ["an empty one", { body: new Uint8Array() }],
    ["an empty one of JSON", { body: "", headers: { "content-type": "application/json" } }],
    ["an empty one of text", { body: "", headers: { "content-type": "text/plain" } }],
  ])("refuses to go without a body: %s", async (_, init) => {
    const response = await writingNothing(() => world.fetch(route.path, { method: route.method, ...init }))
    await expectRefusal(response, ["body"], "missing")
  })

  it("refuses null for an object", async () => {
    await expectRefusal(await writingNothing(() => send(route, "null")), ["body"], "invalid_type")
  })

  it("names every field that is missing", async () => {
    const response = await writingNothing(() => send(route, "{}"))
    expect(response.status).toBe(422)
    expect(await response.json()).toEqual({
      detail: Object.keys(route.fits).map((field) => ({
        loc: ["body", field],
        msg: "Field required",
        type: "missing",
      })),
    })
  })

  describe.each(Object.keys(route.fits))("%s", (field) => {
    it("is required", async () => {
      const body = JSON.stringify({ ...route.fits, [field]: undefined })
      await expectRefusal(await writingNothing(() => send(route, body)), ["body", field], "missing")
    })

    it.each([[1], [null], [true], [[]], [["Alice"]], [{}], [{ toString: "Alice" }]])(
      "is not %j",
      async (value) => {
        const body = JSON.stringify({ ...route.fits, [field]: value })
        await expectRefusal(await writingNothing(() => send(route, body)), ["body", field], "invalid_type")
      },
    )
  })
})

const NAMES = [
  { route: USERS, field: "username" },
  { route: MESSAGES, field: "sender" },
  { route: MESSAGES, field: "recipient" },
]

describe.each(NAMES)("the $field of $route.method $route.path", ({ route, field }) => {
  it.each([
    ["is empty", ""],
    ["has 65 characters", "x".repeat(65)],
    ["has 65 characters beyond the basic plane", "🦉".repeat(65)],
    ["has 10,000 characters", "x".repeat(10_000)],
    ["has a line break", "Al\nice"],
    ["has a carriage return", "Alice\r"],
    ["has a tab", "Al\tice"],
    ["has a NUL", "Alice\u0000"],
    ["has an escape", "\u001b[31mAlice"],
    ["has a DEL", "Alice\u007f"],
    ["has a C1 control", "Al\u0085ice"],
  ])("is refused when it %s", async (_, value) => {
    const body = JSON.stringify({ ...route.fits, [field]: value })
    await expectRefusal(await writingNothing(() => send(route, body)), ["body", field], "custom")
  })
})

describe("the text of POST /users/messages", () => {
  it.each([
    ["subject", "over 256 characters", "x".repeat(257)],
    ["subject", "over 256 characters beyond the basic plane", "🦉".repeat(257)],
    ["message", "over 16 KiB", "x".repeat(16 * 1024 + 1)],
    ["message", "over 16 KiB beyond ASCII", "é".repeat(8 * 1024 + 1)],
    ...["subject", "message"].flatMap((field) =>
      [
        "\u0000",
        "\u0001",
        "\b",
        "\u000b",
        "\f",
        "\u001b",
        "\u001f",
        "\u007f",
        "\u0080",
        "\u0085",
        "\u009f",
      ].map((control) => [field, JSON.stringify(control), `a${control}b`]),
    ),
  ])("is refused when its %s is or has: %s", async (field = "", _, value) => {
    const body = JSON.stringify({ ...MESSAGES.fits, [field]: value })
    await expectRefusal(await writingNothing(() => send(MESSAGES, body)), ["body", field], "custom")
  })
})

const NO_HTTP_URLS = [
  ["is empty", ""],
  ["is a word", "webhook"],
  ["has no scheme", "example.com/webhook"],
  ["has a relative scheme", "//example.com/webhook"],
  ["is a path", "/webhook"],
  ["is FTP", "ftp://example.com/webhook"],
  ["is a WebSocket", "wss://example.com/webhook"],
  ["is a file", "file:///etc/passwd"],
  ["is a script", "javascript:alert(1)"],
  ["is data", "data:text/plain,hello"],
  ["is a blob", "blob:https://example.com/1"],
  ["has no host", "http://"],
  ["has a space in its host", "http://exa mple.com/"],
  ["has half an IPv6 address", "http://[::1/"],
  ["has a port that is none", "http://example.com:99999/"],
  ["has an address that is none", "http://256.1.1.1/"],
] as const

describe.each([WEBHOOK, UNREGISTER])("the url of $method $path", (route) => {
  it.each(NO_HTTP_URLS)("is refused when it %s", async (_, url) => {
    const body = JSON.stringify({ ...route.fits, url })
    await expectRefusal(await writingNothing(() => send(route, body)), ["body", "url"], "custom")
  })
})

describe("the url of POST /webhook", () => {
  it.each([
    ["has a user and a password", "http://user:pw@example.com/"],
    ["has a user", "http://user@example.com/"],
    ["has a password", "https://:pw@example.com/"],
    ["has a line break", "http://example.com/a\nb"],
    ["has a tab", "http://example.com/a\tb"],
    ["has a NUL", "http://example.com/\u0000"],
    ["ends in a line break", "http://example.com/\n"],
    ["has an empty label", "http://a..example.com/"],
    ["has 2,049 characters", `http://example.com/${"x".repeat(2049 - 19)}`],
    ["is over 2,048 characters once percent-encoded", `http://example.com/${"é".repeat(400)}`],
  ])("is refused when it %s", async (_, url) => {
    const body = JSON.stringify({ ...WEBHOOK.fits, url })
    await expectRefusal(await writingNothing(() => send(WEBHOOK, body)), ["body", "url"], "refused_target")
  })

  it("is not shown in the refusal", async () => {
    const body = JSON.stringify({ ...WEBHOOK.fits, url: "http://user:hunter2@example.com/" })
    expect(await (await send(WEBHOOK, body)).text()).not.toContain("hunter2")
  })
})

describe.each([WEBHOOK, UNREGISTER])("the event of $method $path", (route) => {
  it.each([
    "",
    " ",
    "1st",
    "user-registered",
    "user.registered",
    "user registered",
    "üser",
    "user_registered\n",
    "a\u0000",
  ])("is refused when it is %j", async (event) => {
    const body = JSON.stringify({ ...route.fits, event })
    await expectRefusal(await writingNothing(() => send(route, body)), ["body", "event"], "custom")
  })
})

describe("a query", () => {
  it.each([
    ["/users?cursor=", "cursor"],
    ["/users?cursor=5", "cursor"],
    ["/users?cursor=usr_019a8f0c5d1b7c3e9a4f2b6d8e0c1a3f'--", "cursor"],
    ["/users/messages?recipient=alice&cursor=5", "cursor"],
    ["/users/messages?recipient=alice&recipient=bob", "recipient"],
    ["/webhooks?event_filter=user_registered&event_filter=user_send_message", "event_filter"],
  ])("is refused: GET %s", async (path, parameter) => {
    const response = await writingNothing(() => world.fetch(path))
    expect(response.status).toBe(422)
    expect(await response.json()).toEqual({
      detail: [
        {
          loc: ["query", parameter],
          msg: expect.stringMatching(/\w+ \w+/),
          type: expect.stringMatching(/^[a-z_]+$/),
        },
      ],
    })
  })
})

describe("a route or method that does not exist", () => {
  it.each([
    ["POST", "/user", 404],
    ["POST", "/users/messages/new", 404],
    ["POST", "/api/users", 404],
    ["POST", "/Users", 404],
    ["DELETE", "/webhook/user_registered", 404],
    ["PUT", "/users", 405],
    ["PATCH", "/users/messages", 405],
    ["PUT", "/webhook", 405],
    ["DELETE", "/webhooks", 405],
    ["DELETE", "/ping", 405],
  ])("answers %s %s with %d, whatever the body", async (method, path, status) => {
    const json = { username: "Carol", event: "user_registered", url: HOOK }
    const response = await writingNothing(() => world.fetch(path, { method, json }))
    expect(response.status).toBe(status)
    expect(await response.json()).toEqual({ detail: status === 404 ? "Not Found" : "Method Not Allowed" })
  })
})
