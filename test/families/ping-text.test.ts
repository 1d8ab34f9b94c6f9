import { beforeEach, describe, expect, it } from "vitest"

import { verify } from "../support/receiver.ts"
import { createWorld, type World } from "../support/world.ts"

const A = "http://a.example/hook"
const B = "http://b.example/hook"
const DEFAULT_DATA = { message: "Ping from User Notification Webhook Service" }

interface Target {
  event: string
  url: string
}

let world: World

beforeEach(async () => {
  world = await createWorld()
})

const registerInA = (event: string, url: string) => world.fetch("/webhook", { json: { event, url } })
const registerInB = (event: string, url: string) =>
  world.fetch("/register", { json: { event, url }, headers: { accept: "application/json" } })
const pingText = (query = "", init: RequestInit = {}) =>
  world.fetch(`/ping${query}`, { method: "POST", ...init, headers: { accept: "text/plain" } })

/** Pings while the consumer works; the events and URLs that answered, in the order of the answer. */
async function pinged(query = "", accept?: string): Promise<Target[]> {
  world.pingsWork()
  const headers: Record<string, string> = accept === undefined ? {} : { accept }
  const response = await world.fetch(`/ping${query}`, { method: "POST", headers })
  expect(response.headers.get("content-type")).toBe("application/json")
  const { successful_webhooks } = await response.json<{ successful_webhooks: Target[] }>()
  return successful_webhooks.map(({ event, url }) => ({ event, url }))
}

describe("POST /ping", () => {
  it("pings the subscriptions of both applications: by event type, then registration, A before B", async () => {
    await registerInB("invoice_paid", B)
    await registerInB("myEvent", A)
    await registerInB("invoice_created", B)
    await registerInA("user_send_message", A)
    await registerInA("user_registered", A)
    await registerInB("invoice_paid", A)
    expect(await pinged()).toEqual([
      { event: "user_registered", url: A },
      { event: "user_send_message", url: A },
      { event: "invoice_created", url: B },
      { event: "invoice_paid", url: B },
      { event: "invoice_paid", url: A },
      { event: "myEvent", url: A },
    ])
    expect(world.receivers.received).toHaveLength(6)
  })

  it("sends B's receivers the same payload, signed", async () => {
    const { secret } = await (await registerInB("myEvent", B)).json<{ secret: string }>()
    await pinged()
    expect(verify(secret, world.receivers.to(B)[0])).toEqual({ event: "myEvent", data: DEFAULT_DATA })
  })

  it.each([
    ["user_registered", A],
    ["myEvent", B],
  ])("takes an event type of either application as its filter: %s", async (event, url) => {
    await registerInA("user_registered", A)
    await registerInB("myEvent", B)
    expect(await pinged(`?event_filter=${event}`)).toEqual([{ event, url }])
  })

  it("pings both applications' subscriptions to a name that both have", async () => {
    await registerInB("user_registered", B)
    await registerInA("user_registered", A)
    expect(await pinged("?event_filter=user_registered")).toEqual([
      { event: "user_registered", url: A },
      { event: "user_registered", url: B },
    ])
  })

  it("knows an event type of B that nobody registered for", async () => {
    const response = await world.fetch("/ping?event_filter=invoice_paid", { method: "POST" })
    expect(response.status).toBe(404)
    expect(await response.json()).toEqual({ detail: "Event 'invoice_paid' has no registered URLs." })
  })

  it("shows and calls B's URLs as typed", async () => {
    const typed = "HTTP://B.Example:80/Hook"
    await registerInB("myEvent", typed)
    expect(await pinged()).toEqual([{ event: "myEvent", url: typed }])
    expect(world.receivers.to(typed)).toHaveLength(1)
  })

  it("shows the results of both applications again at the results' URL", async () => {
    await registerInA("user_registered", A)
    await registerInB("myEvent", B)
    const response = await world.fetch("/ping", { method: "POST" })
    expect(response.status).toBe(202)
    const { results_url } = await response.json<{ results_url: string }>()
    await world.runAll()
    const results = await world.fetch(new URL(results_url).pathname)
    expect(await results.json()).toMatchObject({
      successful_webhooks_count: 2,
      successful_webhooks: [{ url: A }, { url: B }],
    })
  })

  it("writes nothing when the payload is too large for all event types together", async () => {
    await registerInA("user_registered", A)
    for (let n = 0; n < 70; n++) await registerInB(`type${n}`, B)
    const queued = world.queued.length
    const response = await world.fetch("/ping", { json: { x: "x".repeat(255 * 1024) } })
    expect(response.status).toBe(413)
    expect(await response.json()).toMatchObject({ code: "payload_too_large" })
    expect(world.queued).toHaveLength(queued)
    const pings = "SELECT count(*) AS n FROM events WHERE ping_id IS NOT NULL"
    expect(await world.env.DB.prepare(pings).first()).toEqual({ n: 0 })
  })

  it.each([
    "*/*",
    "",
    "application/json",
    "application/json, text/plain, */*",
    "text/html, */*",
    "text/plain;q=0.5, application/json",
    "text/plain;q=0",
  ])("answers JSON to who does not ask for text rather than JSON: %s", async (accept) => {
    await registerInB("myEvent", B)
    expect(await pinged("", accept)).toEqual([{ event: "myEvent", url: B }])
  })
})

describe("POST /ping with Accept: text/plain", () => {
  it("answers a line for each subscription in order of registration, whichever application it is of", async () => {
    await registerInB("invoice_paid", "http://myurl.com/webhook")
    await registerInA("user_send_message", A)
    world.clock.advance(1)
    await registerInB("invoice_created", "HTTP://B.example")
    await registerInA("user_registered", A)
    await registerInB("myEvent", "http://myurl.com/webhook")
    const response = await pingText()
    expect(response.status).toBe(200)
    expect(response.headers.get("content-type")).toMatch(/^text\/plain\b/)
    expect(await response.text()).toBe(
      [
        "Pinging http://myurl.com/webhook\n",
        `Pinging ${A}\n`,
        "Pinging HTTP://B.example\n",
        `Pinging ${A}\n`,
        "Pinging http://myurl.com/webhook\n",
      ].join(""),
    )
  })

  it("does not wait for results: they come after the answer", async () => {
    await registerInB("myEvent", B)
    world.clock.whileAsleep = () => Promise.reject(new Error("it waited"))
    expect(await (await pingText()).text()).toBe(`Pinging ${B}\n`)
    expect(world.receivers.received).toEqual([])
    await world.runAll()
    expect(world.receivers.to(B).map(({ json }) => json)).toEqual([{ event: "myEvent", data: DEFAULT_DATA }])
  })

  it("sends the body that it is given", async () => {
    await registerInB("myEvent", B)
    await pingText("", { body: new TextEncoder().encode('{"a":1}') })
    await world.runAll()
    expect(world.receivers.to(B).map(({ body }) => body)).toEqual(['{"event":"myEvent","data":{"a":1}}'])
  })

  it("answers nothing when nothing is registered", async () => {
    const response = await pingText()
    expect(response.status).toBe(200)
    expect(response.headers.get("content-type")).toMatch(/^text\/plain\b/)
    expect(await response.text()).toBe("")
  })

  it("names only the URLs of the filter", async () => {
    await registerInA("user_registered", A)
    await registerInB("myEvent", B)
    expect(await (await pingText("?event_filter=myEvent")).text()).toBe(`Pinging ${B}\n`)
    expect(await (await pingText("/?event_filter=user_registered")).text()).toBe(`Pinging ${A}\n`)
  })

  it.each([
    ["?event_filter=other", "Event 'other' not found."],
    ["?event_filter=", "Event '' not found."],
    ["?event_filter=invoice_paid", "Event 'invoice_paid' has no registered URLs."],
    ["/?event_filter=user_registered", "Event 'user_registered' has no registered URLs."],
  ])("answers 404 with a sentence to %s", async (query, sentence) => {
    const response = await pingText(query)
    expect(response.status).toBe(404)
    expect(response.headers.get("content-type")).toMatch(/^text\/plain\b/)
    expect(await response.text()).toBe(sentence)
    expect(world.queued).toEqual([])
  })

  it("refuses a bad body in a sentence too", async () => {
    const response = await pingText("", { body: new TextEncoder().encode("[") })
    expect(response.status).toBe(422)
    expect(await response.text()).toBe("The body is not valid JSON.")
  })

  it("asks for the token in a sentence too", async () => {
    world = await createWorld({ AUTH_MODE: "token", API_TOKEN: "letmein" })
    const response = await pingText()
    expect(response.status).toBe(401)
    expect(await response.text()).toBe("Send `Authorization: Bearer <API_TOKEN>`")
  })
})
