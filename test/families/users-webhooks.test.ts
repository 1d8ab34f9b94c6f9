import { beforeEach, describe, expect, it } from "vitest"

import { verify } from "../support/receiver.ts"
import { createWorld, ORIGIN, type World } from "../support/world.ts"

const HOOK = "http://receiver.example/hook"
const OTHER = "http://other.example/hook"
const MINUTE_MS = 60_000

interface Registered {
  message: string
  url: string
  event: string
  endpoint_id: string
  secret?: string
}

let world: World

beforeEach(async () => {
  world = await createWorld()
})

const post = (event: string, url: string) => world.fetch("/webhook", { json: { event, url } })
const list = (query = "") => world.fetch(`/webhooks${query}`)

async function register(event: string, url: string): Promise<Registered> {
  return (await post(event, url)).json()
}

async function createUser(username: string): Promise<void> {
  await world.fetch("/users", { json: { username } })
}

async function sendMessage(): Promise<void> {
  await world.fetch("/users/messages", {
    json: { sender: "Alice", recipient: "Bob", subject: "", message: "" },
  })
}

async function urlsOf(event: string): Promise<string[] | undefined> {
  const { webhooks } = await (await list()).json<{ webhooks: { event: string; urls: string[] }[] }>()
  return webhooks.find((entry) => entry.event === event)?.urls
}

/** Registers the URL and lets its receiver answer an event with 410, which disables the endpoint. */
async function registerDisabled(event: string, url: string): Promise<Registered> {
  const registered = await register(event, url)
  world.receivers.at(url, 410, 200)
  await createUser("Somebody")
  await world.runAll()
  world.clock.advance(1000)
  return registered
}

describe("POST /webhook", () => {
  it.each(["user_registered", "user_send_message"])("registers a URL for %s", async (event) => {
    const response = await post(event, "http://example.com/webhook")
    expect(response.status).toBe(200)
    expect(response.headers.get("content-type")).toBe("application/json")
    expect(await response.json()).toEqual({
      message: "Webhook registered successfully",
      url: "http://example.com/webhook",
      event,
      endpoint_id: expect.stringMatching(/^ep_[0-9a-f]{32}$/),
      secret: expect.stringMatching(/^whsec_[A-Za-z0-9+/]+=*$/),
    })
  })

  it("lower-cases the event's name first", async () => {
    const response = await post("User_REGISTERED", HOOK)
    expect(response.status).toBe(200)
    expect(await response.json()).toMatchObject({ event: "user_registered" })
  })

  it.each([
    ["HTTP://Example.com", "http://example.com/"],
    ["https://EXAMPLE.com:443/A/../B?q=ü#top", "https://example.com/B?q=%C3%BC#top"],
    ["http://bücher.example/ä", "http://xn--bcher-kva.example/%C3%A4"],
    ["  http://example.com/hook ", "http://example.com/hook"],
    ["http://example.com:80/", "http://example.com/"],
  ])("answers and lists %s as %s", async (typed, normal) => {
    const response = await post("user_registered", typed)
    expect(response.status).toBe(200)
    expect(await response.json()).toMatchObject({ url: normal })
    expect(await urlsOf("user_registered")).toEqual([normal])
  })

  it.each([
    ["a single-label host", "http://your-webhook-receiver-url/webhook"],
    ["a name that never resolves", "http://never-resolves.invalid/webhook"],
    ["a port and a query", "https://example.com:8443/webhook?token=a%20b"],
    ["2,048 characters", `http://example.com/${"x".repeat(2048 - 19)}`],
  ])("registers a URL with %s", async (_, url) => {
    const response = await post("user_registered", url)
    expect(response.status).toBe(200)
    expect(await response.json()).toMatchObject({ url })
  })

  it("registers a URL of this machine in open mode", async () => {
    expect((await post("user_registered", "http://localhost:9000/hook")).status).toBe(200)
  })

  it("refuses a private URL where private targets are not allowed", async () => {
    world = await createWorld({ ALLOW_PRIVATE_TARGETS: "false" })
    const response = await post("user_registered", "http://127.0.0.1:9000/hook")
    expect(response.status).toBe(422)
    expect(await response.json()).toEqual({
      detail: [{ loc: ["body", "url"], msg: expect.any(String), type: "refused_target" }],
    })
  })

  it("refuses its own address", async () => {
    const response = await post("user_registered", `${ORIGIN}/ping`)
    expect(response.status).toBe(422)
  })

  it("ignores unknown fields", async () => {
    const response = await world.fetch("/webhook", {
      json: { event: "user_registered", url: HOOK, secret: "mine", message: 1 },
    })
    expect(response.status).toBe(200)
    expect(await response.json()).not.toMatchObject({ secret: "mine" })
  })

  it.each([
    ["unknown", "unknown"],
    ["Not_An_Event", "not_an_event"],
    ["_1", "_1"],
    ["invoice_paid", "invoice_paid"],
  ])("answers 404 for the event %s", async (event, shown) => {
    const response = await post(event, HOOK)
    expect(response.status).toBe(404)
    expect(await response.json()).toEqual({ detail: `Event '${shown}' not found` })
  })

  it.each([
    "",
    "1st",
    "user-registered",
    "user.registered",
    "user registered",
    "usér_registered",
    "a\nb",
    " user_registered",
  ])("answers 422 for %j, which cannot be an event's name", async (event) => {
    const response = await post(event, HOOK)
    expect(response.status).toBe(422)
    expect(await response.json()).toEqual({
      detail: [{ loc: ["body", "event"], msg: expect.any(String), type: "custom" }],
    })
  })

  it.each(["ftp://example.com/", "http://user:pw@example.com/", "no url"])(
    "answers 422 for the URL %s before 404 for an unknown event",
    async (url) => {
      const response = await post("unknown", url)
      expect(response.status).toBe(422)
      expect(await response.json()).toEqual({ detail: [expect.objectContaining({ loc: ["body", "url"] })] })
    },
  )

  it("answers 400 when the URL is already registered for the event", async () => {
    await post("user_registered", HOOK)
    world.clock.advance(1)
    const response = await post("user_registered", HOOK)
    expect(response.status).toBe(400)
    expect(await response.json()).toEqual({
      detail: `Webhook URL '${HOOK}' already exists for event 'user_registered'`,
    })
  })

  it("answers 400 to a second registration in the same millisecond", async () => {
    await post("user_registered", HOOK)
    const response = await post("user_registered", HOOK)
    expect(response.status).toBe(400)
  })

  it("sees that a URL is registered however it and the event are spelled", async () => {
    await post("user_registered", "http://example.com")
    world.clock.advance(1)
    const response = await post("USER_REGISTERED", "HTTP://EXAMPLE.com:80/")
    expect(response.status).toBe(400)
    expect(await response.json()).toEqual({
      detail: "Webhook URL 'http://example.com/' already exists for event 'user_registered'",
    })
  })

  it("tells URLs apart that differ in path case, query or a slash", async () => {
    const urls = ["/hook", "/Hook", "/hook/", "/hook?a", "/hook?A"].map((path) => `http://example.com${path}`)
    for (const url of urls) await post("user_registered", url)
    expect(await urlsOf("user_registered")).toEqual(urls)
  })

  it("takes one of two simultaneous requests for a pair and refuses the other", async () => {
    const responses = await Promise.all([post("user_registered", HOOK), post("user_registered", HOOK)])
    expect(responses.map(({ status }) => status).sort((a, b) => a - b)).toEqual([200, 400])
  })

  it("makes one subscription of two simultaneous requests for a pair", async () => {
    await Promise.all([post("user_registered", HOOK), post("user_registered", HOOK)])
    await createUser("Alice")
    await world.runAll()
    expect(world.receivers.to(HOOK)).toHaveLength(1)
  })

  it("makes one endpoint with two subscriptions of a URL registered for both events", async () => {
    const first = await register("user_registered", HOOK)
    const second = await register("user_send_message", HOOK)
    expect(second).toEqual({
      message: "Webhook registered successfully",
      url: HOOK,
      event: "user_send_message",
      endpoint_id: first.endpoint_id,
    })
  })

  it("makes one endpoint of both events registered at once, its secret shown once", async () => {
    const both = await Promise.all([register("user_registered", HOOK), register("user_send_message", HOOK)])
    expect(new Set(both.map(({ endpoint_id }) => endpoint_id)).size).toBe(1)
    expect(both.flatMap(({ secret }) => secret ?? [])).toHaveLength(1)
  })

  it("signs both events of one URL with its one secret", async () => {
    const { secret = "" } = await register("user_registered", HOOK)
    await register("user_send_message", HOOK)
    await createUser("Alice")
    await createUser("Bob")
    await sendMessage()
    await world.runAll()
    const seen = world.receivers
      .to(HOOK)
      .map((delivery) => (verify(secret, delivery) as { event: string }).event)
    expect(seen.sort()).toEqual(["user_registered", "user_registered", "user_send_message"])
  })

  it("delivers nothing that happened before the registration", async () => {
    await post("user_registered", OTHER)
    await createUser("Alice")
    world.clock.advance(1)
    await post("user_registered", HOOK)
    await world.runAll(MINUTE_MS)
    expect(world.receivers.received.map(({ url }) => url)).toEqual([OTHER])
  })

  it("enables a disabled endpoint when its pair is registered again", async () => {
    const { endpoint_id } = await registerDisabled("user_registered", HOOK)
    const response = await post("user_registered", HOOK)
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({
      message: "Webhook registered successfully",
      url: HOOK,
      event: "user_registered",
      endpoint_id,
    })
  })

  it("delivers nothing to a disabled endpoint", async () => {
    await registerDisabled("user_registered", HOOK)
    await createUser("Alice")
    await world.runAll()
    expect(world.receivers.to(HOOK)).toHaveLength(1)
  })

  it("delivers again, signed as before, once a disabled endpoint is registered again", async () => {
    const { secret = "" } = await registerDisabled("user_registered", HOOK)
    await post("user_registered", HOOK)
    await createUser("Alice")
    await world.runAll()
    const [, delivery] = world.receivers.to(HOOK)
    expect(verify(secret, delivery)).toMatchObject({ data: { username: "alice" } })
  })

  it("answers 400 again once the endpoint is enabled", async () => {
    await registerDisabled("user_registered", HOOK)
    await post("user_registered", HOOK)
    world.clock.advance(1)
    expect((await post("user_registered", HOOK)).status).toBe(400)
  })

  it.each([
    ["in one line", '{"url":"http://example.com/webhook","event":"user_registered"}'],
    ["with a newline inside the JSON", '{"url":"http://example.com/webhook",\n"event":"user_registered"}'],
    [
      "with newlines of Windows",
      '{\r\n  "url":"http://example.com/webhook",\r\n  "event":"user_registered"\r\n}\r\n',
    ],
    ["with a byte order mark", '\ufeff{"url":"http://example.com/webhook","event":"user_registered"}'],
  ])("takes the documented curl body %s", async (_, body) => {
    const response = await world.fetch("/webhook", {
      method: "POST",
      headers: { "Content-Type": "application/json", accept: "*/*", "user-agent": "curl/8.5.0" },
      body,
    })
    expect(response.status).toBe(200)
    expect(await response.json()).toMatchObject({
      message: "Webhook registered successfully",
      url: "http://example.com/webhook",
      event: "user_registered",
    })
  })
})
