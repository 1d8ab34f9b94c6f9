import { beforeEach, describe, expect, it } from "vitest"

import { verify } from "../support/receiver.ts"
import { createWorld, ORIGIN, type World } from "../support/world.ts"

const URL_OF_DOCUMENT = "http://myurl.com/webhook"
const PAIR = { event: "myEvent", url: URL_OF_DOCUMENT }
const OTHER = "http://other.example/hook"
const JSON_TYPE = { "content-type": "application/json" }

let world: World

beforeEach(async () => {
  world = await createWorld()
})

const register = (json: unknown = PAIR, headers: Record<string, string> = {}) =>
  world.fetch("/register", { json, headers })
const unregister = (json: unknown = PAIR) => world.fetch("/unregister", { json })
const publish = (event: string, data: unknown = {}) => world.fetch("/events", { json: { event, data } })

interface Registered {
  message: string
  event: string
  url: string
  endpoint_id: string
  secret?: string
}

async function registered(json: unknown = PAIR): Promise<Registered> {
  return (await register(json, { accept: "application/json" })).json()
}

async function typesOfB(): Promise<string[]> {
  const { results } = await world.env.DB.prepare(
    "SELECT name FROM event_types WHERE application_id = 'app_invoices' ORDER BY created_at, id",
  ).all<{ name: string }>()
  return results.map(({ name }) => name)
}

const SEEDED = ["invoice_created", "invoice_updated", "invoice_paid"]

async function countOf(table: "endpoints" | "subscriptions"): Promise<number> {
  const row = await world.env.DB.prepare(`SELECT count(*) AS n FROM ${table}`).first<{ n: number }>()
  return row?.n ?? 0
}

/** Refused in a sentence, and nothing written: no event type either. */
async function expectSentence(response: Response, status: number, sentence: unknown): Promise<void> {
  expect(response.status).toBe(status)
  expect(response.headers.get("content-type")).toBe("text/plain; charset=UTF-8")
  expect(response.headers.get("x-content-type-options")).toBe("nosniff")
  expect(await response.text()).toEqual(sentence)
  expect(await typesOfB()).toEqual(SEEDED)
  expect([await countOf("endpoints"), await countOf("subscriptions")]).toEqual([0, 0])
}

async function expectSuccess(response: Response, sentence: string): Promise<void> {
  expect(response.status).toBe(200)
  expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8")
  expect(response.headers.get("x-content-type-options")).toBe("nosniff")
  expect(await response.text()).toBe(sentence)
}

describe("POST /register", () => {
  it("answers the documented sentence", async () => {
    await expectSuccess(await register(), 'Webhook for "myEvent" registered successfully')
  })

  it("takes a trailing slash, and a body without a content type", async () => {
    const body = new TextEncoder().encode(JSON.stringify(PAIR))
    const response = await world.fetch("/register/", { method: "POST", body })
    await expectSuccess(response, 'Webhook for "myEvent" registered successfully')
  })

  it.each(["application/json", "application/json, text/html;q=0.9", "Application/JSON", "application/*"])(
    "tells the endpoint and its secret to who asks for JSON: %s",
    async (accept) => {
      const response = await register(PAIR, { accept })
      expect(response.status).toBe(200)
      expect(response.headers.get("content-type")).toBe("application/json")
      expect(await response.json()).toEqual({
        message: 'Webhook for "myEvent" registered successfully',
        ...PAIR,
        endpoint_id: expect.stringMatching(/^ep_[0-9a-f]{32}$/),
        secret: expect.stringMatching(/^whsec_/),
      })
    },
  )

  it.each([
    "*/*",
    "",
    "text/html",
    "text/html,application/xhtml+xml,*/*;q=0.8",
    "application/json, text/plain, */*",
    "application/json;q=0",
    "nonsense",
  ])("answers the sentence to who does not ask for JSON rather than text: %s", async (accept) => {
    await expectSuccess(await register(PAIR, { accept }), 'Webhook for "myEvent" registered successfully')
  })

  it.each([
    ["a", "one letter"],
    ["Invoice.Paid-v2_final", "dots, hyphens and both cases"],
    ["123", "digits alone"],
    ["...", "dots alone"],
    ["x".repeat(256), "256 characters"],
    ["__proto__", "a name that JavaScript knows"],
    ["user_registered", "a name of A's"],
  ])("takes any name by the rule as a new event type: %s", async (event) => {
    await expectSuccess(
      await register({ event, url: OTHER }),
      `Webhook for "${event}" registered successfully`,
    )
    expect(await typesOfB()).toEqual([...SEEDED, event])
    expect((await publish(event, { a: 1 })).status).toBe(202)
    await world.runAll()
    expect(world.receivers.to(OTHER).map(({ body }) => body)).toEqual([`{"event":"${event}","data":{"a":1}}`])
  })

  it("keeps the case: names that differ in it are two types", async () => {
    await register({ event: "myEvent", url: URL_OF_DOCUMENT })
    await register({ event: "MYEVENT", url: OTHER })
    await publish("MYEVENT")
    await world.runAll()
    expect(world.receivers.received.map(({ url }) => url)).toEqual([OTHER])
  })

  it("answers the same pair the same again, and keeps it one subscription", async () => {
    const first = await registered()
    const again = await registered()
    const { secret: _, ...rest } = first
    expect(again).toEqual(rest)
    await expectSuccess(await register(), 'Webhook for "myEvent" registered successfully')
    await publish("myEvent")
    await world.runAll()
    expect(world.receivers.received).toHaveLength(1)
  })

  it("makes one subscription of twelve requests at once", async () => {
    const answers = await Promise.all(Array.from({ length: 12 }, () => register()))
    expect(answers.map(({ status }) => status)).toEqual(Array(12).fill(200))
    expect(await typesOfB()).toEqual([...SEEDED, "myEvent"])
    expect([await countOf("endpoints"), await countOf("subscriptions")]).toEqual([1, 1])
  })

  it("gives one URL one secret for all its events", async () => {
    const { secret = "" } = await registered({ event: "a", url: OTHER })
    expect(await registered({ event: "b", url: OTHER })).not.toHaveProperty("secret")
    await publish("b")
    await world.runAll()
    expect(verify(secret, world.receivers.to(OTHER)[0])).toEqual({ event: "b", data: {} })
  })

  it("enables a disabled endpoint", async () => {
    await register()
    world.receivers.at(URL_OF_DOCUMENT, 410, 200)
    await publish("myEvent", { n: 1 })
    await world.runAll()
    await publish("myEvent", { n: 2 })
    await world.runAll()
    expect(world.receivers.received).toHaveLength(1)
    await expectSuccess(await register(), 'Webhook for "myEvent" registered successfully')
    await publish("myEvent", { n: 3 })
    await world.runAll()
    expect(world.receivers.received.map(({ json }) => json)).toEqual([
      { event: "myEvent", data: { n: 1 } },
      { event: "myEvent", data: { n: 3 } },
    ])
  })

  it("takes a URL as typed, and knows it again in its normal form", async () => {
    const typed = "HTTP://MyUrl.com:80/a/../Hook?q=é"
    expect(await registered({ event: "e", url: typed })).toMatchObject({ url: typed })
    expect(await registered({ event: "e", url: "http://myurl.com/Hook?q=%C3%A9" })).not.toHaveProperty(
      "secret",
    )
    expect(await countOf("endpoints")).toBe(1)
    expect((await unregister({ event: "e", url: "http://MYURL.com/Hook?q=é" })).status).toBe(200)
  })

  it("survives a lost answer of D1: one subscription, and the secret is told", async () => {
    let faults = 2
    world.probe.after = () => {
      if (faults-- > 0) throw new Error("D1_ERROR: Network connection lost.")
    }
    expect(await registered()).toHaveProperty("secret")
    expect([await countOf("endpoints"), await countOf("subscriptions")]).toEqual([1, 1])
  })

  it("refuses the 1,001st event type, and goes on with those there are", async () => {
    await world.env.DB.prepare(
      `WITH RECURSIVE n(i) AS (SELECT 4 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
       INSERT INTO event_types (id, application_id, name, created_at, updated_at)
       SELECT 'ety_' || i, 'app_invoices', 'type' || i, 2000, 2000 FROM n`,
    ).run()
    const response = await register({ event: "oneMore", url: OTHER })
    expect(response.status).toBe(409)
    expect(response.headers.get("content-type")).toBe("text/plain; charset=UTF-8")
    expect(await response.text()).toBe("There are 1000 event types already: use one of them")
    expect(await typesOfB()).toHaveLength(1000)
    expect(await countOf("endpoints")).toBe(0)
    expect((await register({ event: "type1000", url: OTHER })).status).toBe(200)
  })
})

const BAD_NAME = 'The field "event": must have 1 to 256 ASCII letters, digits, underscores, dots and hyphens.'
const NO_JSON = "The body is not valid JSON."

describe.each(["/register", "/unregister"])("a bad request to POST %s", (path) => {
  it.each<[string, unknown, string]>([
    ["no event", { url: OTHER }, 'The field "event" is missing.'],
    ["no url", { event: "myEvent" }, 'The field "url" is missing.'],
    ["neither", {}, 'The field "event" is missing. The field "url" is missing.'],
    ["an empty event", { event: "", url: OTHER }, BAD_NAME],
    ["an event with a space", { event: "my event", url: OTHER }, BAD_NAME],
    ["an event of 257 characters", { event: "x".repeat(257), url: OTHER }, BAD_NAME],
    ["markup", { event: "<script>alert(1)</script>", url: OTHER }, BAD_NAME],
    ["a line break behind the event", { event: "myEvent\n", url: OTHER }, BAD_NAME],
    ["letters beyond ASCII", { event: "événement", url: OTHER }, BAD_NAME],
    ["an event that is a number", { event: 1, url: OTHER }, 'The field "event": must be a string.'],
    ["an event that is null", { event: null, url: OTHER }, 'The field "event": must be a string.'],
    ["a url that is a list", { event: "myEvent", url: [OTHER] }, 'The field "url": must be a string.'],
    ["two bad fields", { event: "?", url: 1 }, `${BAD_NAME} The field "url": must be a string.`],
  ])("is answered 400 with a sentence that names the field: %s", async (_, json, sentence) => {
    await expectSentence(await world.fetch(path, { json }), 400, sentence)
  })

  it.each([
    ["a list", "[]", "The body must be a JSON object."],
    ["null", "null", "The body must be a JSON object."],
    ["a string", '"myEvent"', "The body must be a JSON object."],
    ["broken JSON", '{"event":"<b>', NO_JSON],
    ["nothing", "", "Field required: send a JSON body."],
  ])("is answered 400 when its body is %s", async (_, body, sentence) => {
    await expectSentence(await world.fetch(path, { method: "POST", body, headers: JSON_TYPE }), 400, sentence)
  })

  it("is answered 400 when its body is a form", async () => {
    const response = await world.fetch(path, {
      method: "POST",
      body: "event=myEvent&url=http://x.example/",
      headers: { "content-type": "application/x-www-form-urlencoded" },
    })
    await expectSentence(
      response,
      400,
      'The header "content-type": Send the body as JSON, with `Content-Type: application/json`.',
    )
  })

  it("is answered 413 when it is too large", async () => {
    const response = await world.fetch(path, { json: { ...PAIR, x: "x".repeat(256 * 1024) } })
    await expectSentence(response, 413, "The body has at most 262144 bytes")
  })

  it("is answered 405 when it is no POST", async () => {
    const response = await world.fetch(path)
    expect(response.headers.get("allow")).toBe("POST")
    await expectSentence(response, 405, "Method Not Allowed")
  })

  it("is answered in a sentence whatever it accepts", async () => {
    const response = await world.fetch(path, { json: {}, headers: { accept: "application/json" } })
    await expectSentence(response, 400, 'The field "event" is missing. The field "url" is missing.')
  })

  it("is answered 500 with nothing of the inside when D1 fails", async () => {
    await register()
    await unregister()
    world.probe.before = () => {
      throw new Error("the inside")
    }
    const response = await world.fetch(path, { json: PAIR })
    expect(response.status).toBe(500)
    expect(response.headers.get("content-type")).toBe("text/plain; charset=UTF-8")
    expect(await response.text()).toBe(
      `Something went wrong here. Request ${response.headers.get("x-request-id")}`,
    )
  })
})

describe("the door of /register and /unregister", () => {
  const SETTINGS = { AUTH_MODE: "token", API_TOKEN: "letmein", ALLOW_PRIVATE_TARGETS: "false" }
  const AUTHORIZED = { authorization: "Bearer letmein" }

  it.each(["/register", "/unregister"])("is shut with a sentence without the token: %s", async (path) => {
    world = await createWorld(SETTINGS)
    const response = await world.fetch(path, { json: PAIR })
    expect(response.headers.get("www-authenticate")).toBe('Bearer realm="Posthorn"')
    await expectSentence(response, 401, "Send `Authorization: Bearer <API_TOKEN>`")
  })

  it("says which command sets the token", async () => {
    world = await createWorld({ AUTH_MODE: "token" })
    await expectSentence(await register(), 503, expect.stringContaining("npx wrangler secret put API_TOKEN"))
  })

  it("says which command sets the key, and makes no event type", async () => {
    world = await createWorld(SETTINGS)
    const response = await register(PAIR, AUTHORIZED)
    await expectSentence(response, 503, expect.stringContaining("npx wrangler secret put ENCRYPTION_KEY"))
  })

  it.each([
    ["ftp://myurl.com/webhook", "The URL has to begin with https:// or http://."],
    ["javascript:alert(1)", "The URL has to begin with https:// or http://."],
    [
      "myurl.com/webhook",
      "The URL cannot be read; write it in full, such as https://example.com/webhook, with a valid host name.",
    ],
    [
      "",
      "The URL cannot be read; write it in full, such as https://example.com/webhook, with a valid host name.",
    ],
    [
      "http://u:p@myurl.com/",
      "The URL must not hold a user name or password; use an Authorization header instead.",
    ],
    [
      "http://10.0.0.1/",
      "The URL points into a private or reserved network; use a host that the public internet can reach.",
    ],
    [
      `http://myurl.com/${"x".repeat(2048)}`,
      "The URL is too long; shorten it to 2048 characters or fewer, counted as they are sent: percent-encoded.",
    ],
    [`${ORIGIN}/register`, "The URL points at this service itself; use the address of the receiver instead."],
  ])(
    "refuses a URL that may not be a target with 400, and makes no event type: %s",
    async (url, sentence) => {
      world = await createWorld({ ...SETTINGS, ENCRYPTION_KEY: btoa("k".repeat(32)) })
      await expectSentence(await register({ event: "newEvent", url }, AUTHORIZED), 400, sentence)
    },
  )
})

describe("POST /unregister", () => {
  it("answers the documented sentence, and the URL gets nothing more", async () => {
    await register()
    await expectSuccess(await unregister(), 'Webhook for "myEvent" unregistered successfully')
    expect((await publish("myEvent")).status).toBe(202)
    await world.runAll()
    expect(world.receivers.received).toEqual([])
  })

  it("leaves the URL its other events, and the event its other URLs", async () => {
    await register()
    await register({ event: "myEvent", url: OTHER })
    await register({ event: "invoice_created", url: URL_OF_DOCUMENT })
    await unregister()
    await publish("myEvent")
    await world.fetch("/invoices", { json: { amount: 1 } })
    await world.runAll()
    expect(world.receivers.to(OTHER)).toHaveLength(1)
    expect(world.receivers.to(URL_OF_DOCUMENT).map(({ json }) => json)).toMatchObject([
      { event: "invoice_created" },
    ])
  })

  it("lets the pair be registered anew, with a new secret", async () => {
    const { secret: first } = await registered()
    await unregister()
    const { secret: second } = await registered()
    expect(second).toMatch(/^whsec_/)
    expect(second).not.toBe(first)
  })

  it.each([
    ["for an unknown event", { event: "other", url: URL_OF_DOCUMENT }],
    ["for a URL that is not registered", { event: "invoice_paid", url: URL_OF_DOCUMENT }],
    ["for a URL that is none", { event: "invoice_paid", url: "?" }],
  ])("answers 404 with a sentence %s", async (_, pair) => {
    await expectSentence(await unregister(pair), 404, "This URL is not registered for this event.")
  })

  it("answers 404 the second time", async () => {
    await register()
    await unregister()
    const response = await unregister()
    expect(response.status).toBe(404)
    expect(await response.text()).toBe("This URL is not registered for this event.")
  })
})
