import { beforeEach, describe, expect, it } from "vitest"

import { createWorld, type World } from "../support/world.ts"

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
const remove = (event: string, url: string) =>
  world.fetch("/webhook", { method: "DELETE", json: { event, url } })
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

describe("DELETE /webhook", () => {
  it("answers 204 without a body", async () => {
    await post("user_registered", HOOK)
    const response = await remove("user_registered", HOOK)
    expect(response.status).toBe(204)
    expect(response.headers.get("content-type")).toBeNull()
    expect(await response.text()).toBe("")
  })

  it("takes the URL and the event however they are spelled", async () => {
    await post("user_registered", "http://example.com/")
    expect((await remove("USER_Registered", "HTTP://Example.COM")).status).toBe(204)
    expect(await urlsOf("user_registered")).toEqual([])
  })

  it.each([
    '{"url":"http://example.com/webhook","event":"user_registered"}',
    '{"url":"http://example.com/webhook",\n"event":"user_registered"}',
  ])("takes the documented curl body %j", async (body) => {
    await post("user_registered", "http://example.com/webhook")
    const response = await world.fetch("/webhook", {
      method: "DELETE",
      headers: { "Content-Type": "application/json" },
      body,
    })
    expect(response.status).toBe(204)
  })

  it("ignores unknown fields", async () => {
    await post("user_registered", HOOK)
    const response = await world.fetch("/webhook", {
      method: "DELETE",
      json: { event: "user_registered", url: HOOK, endpoint_id: "ep_x" },
    })
    expect(response.status).toBe(204)
  })

  it("answers 404 for an unknown event, its name lower-cased", async () => {
    const response = await remove("Unknown", HOOK)
    expect(response.status).toBe(404)
    expect(await response.json()).toEqual({ detail: "Event 'unknown' not found" })
  })

  it("answers 404 for a URL that is not registered, in its normal form", async () => {
    const response = await remove("user_registered", "HTTP://Example.com")
    expect(response.status).toBe(404)
    expect(await response.json()).toEqual({
      detail: "Webhook URL 'http://example.com/' not found for event 'user_registered'",
    })
  })

  it("answers 404 for a URL that is registered for the other event", async () => {
    await post("user_send_message", HOOK)
    const response = await remove("user_registered", HOOK)
    expect(response.status).toBe(404)
    expect(await response.json()).toEqual({
      detail: `Webhook URL '${HOOK}' not found for event 'user_registered'`,
    })
  })

  it("answers 404 the second time", async () => {
    await post("user_registered", HOOK)
    await remove("user_registered", HOOK)
    const response = await remove("user_registered", HOOK)
    expect(response.status).toBe(404)
    expect(await response.json()).toEqual({
      detail: `Webhook URL '${HOOK}' not found for event 'user_registered'`,
    })
  })

  it("removes a URL that may no longer be a target", async () => {
    await post("user_registered", "http://127.0.0.1:9000/hook")
    Object.assign(world.config, { allowPrivateTargets: false })
    expect((await remove("user_registered", "http://127.0.0.1:9000/hook")).status).toBe(204)
  })

  it("leaves the other event of the URL registered", async () => {
    await post("user_registered", HOOK)
    await post("user_send_message", HOOK)
    await remove("user_registered", HOOK)
    await createUser("Alice")
    await createUser("Bob")
    await sendMessage()
    await world.runAll()
    expect(world.receivers.to(HOOK).map(({ json }) => (json as { event: string }).event)).toEqual([
      "user_send_message",
    ])
  })

  it("stops what was published but not yet sent, with the last event", async () => {
    await post("user_registered", HOOK)
    await post("user_registered", OTHER)
    await createUser("Alice")
    await remove("user_registered", HOOK)
    await world.runAll(MINUTE_MS)
    expect(world.receivers.received.map(({ url }) => url)).toEqual([OTHER])
  })

  it("stops pending retries with the last event, those of others go on", async () => {
    world.receivers.at(HOOK, 500)
    world.receivers.at(OTHER, 500)
    await post("user_registered", HOOK)
    await post("user_registered", OTHER)
    await createUser("Alice")
    await world.runDue()
    await remove("user_registered", HOOK)
    await world.runAll(6 * MINUTE_MS)
    await world.sweep()
    await world.runAll(MINUTE_MS)
    expect(world.receivers.to(HOOK)).toHaveLength(1)
    expect(world.receivers.to(OTHER).length).toBeGreaterThan(1)
  })

  it("stops the pending retries of the removed event alone while another remains", async () => {
    await createUser("Alice")
    await createUser("Bob")
    world.clock.advance(1)
    world.receivers.at(HOOK, 500)
    await post("user_registered", HOOK)
    await post("user_send_message", HOOK)
    await createUser("Carol")
    await sendMessage()
    await world.runDue()
    await remove("user_registered", HOOK)
    world.receivers.at(HOOK, 200)
    await world.runAll(MINUTE_MS)
    const seen = world.receivers.to(HOOK).map(({ json }) => (json as { event: string }).event)
    expect(seen.sort()).toEqual(["user_registered", "user_send_message", "user_send_message"])
  })

  it("forgets the endpoint with the last event: registering again makes a new one", async () => {
    const before = await register("user_registered", HOOK)
    await remove("user_registered", HOOK)
    const after = await register("user_registered", HOOK)
    expect(after.endpoint_id).not.toBe(before.endpoint_id)
    expect(after.secret).toMatch(/^whsec_/)
    expect(after.secret).not.toBe(before.secret)
  })

  it("removes a disabled endpoint's URL", async () => {
    await registerDisabled("user_registered", HOOK)
    expect((await remove("user_registered", HOOK)).status).toBe(204)
    expect(await urlsOf("user_registered")).toEqual([])
  })
})

describe("GET /webhooks", () => {
  it("lists both events, also while they are empty", async () => {
    const response = await list()
    expect(response.status).toBe(200)
    expect(response.headers.get("content-type")).toBe("application/json")
    expect(await response.text()).toBe(
      '{"webhooks":[{"event":"user_registered","urls":[]},{"event":"user_send_message","urls":[]}]}',
    )
  })

  it("lists URLs in order of registration", async () => {
    await post("user_send_message", "http://z.example/")
    await post("user_registered", "http://z.example/")
    await post("user_registered", "http://a.example/")
    await post("user_send_message", "http://m.example/")
    world.clock.advance(1)
    await post("user_registered", "http://m.example/")
    await post("user_send_message", "http://a.example/")
    expect(await (await list()).json()).toEqual({
      webhooks: [
        { event: "user_registered", urls: ["http://z.example/", "http://a.example/", "http://m.example/"] },
        { event: "user_send_message", urls: ["http://z.example/", "http://m.example/", "http://a.example/"] },
      ],
    })
  })

  it("lists a URL that was removed and registered again at the end", async () => {
    await post("user_registered", HOOK)
    await post("user_registered", OTHER)
    await remove("user_registered", HOOK)
    await post("user_registered", HOOK)
    expect(await urlsOf("user_registered")).toEqual([OTHER, HOOK])
  })

  it("lists a disabled URL where it was", async () => {
    await registerDisabled("user_registered", HOOK)
    await post("user_registered", OTHER)
    expect(await urlsOf("user_registered")).toEqual([HOOK, OTHER])
  })

  it("keeps a URL's place when it is enabled again", async () => {
    await registerDisabled("user_registered", HOOK)
    await post("user_registered", OTHER)
    await post("user_registered", HOOK)
    expect(await urlsOf("user_registered")).toEqual([HOOK, OTHER])
  })

  it("lists the filtered event alone", async () => {
    await post("user_registered", HOOK)
    await post("user_send_message", OTHER)
    const response = await list("?event_filter=user_send_message")
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({ webhooks: [{ event: "user_send_message", urls: [OTHER] }] })
  })

  it.each(["unknown", "User_Registered", "USER_REGISTERED", "", "user_registered ", "invoice_paid"])(
    "answers 404 for the filter %j",
    async (filter) => {
      await post("user_registered", HOOK)
      const response = await list(`?event_filter=${encodeURIComponent(filter)}`)
      expect(response.status).toBe(404)
      expect(await response.json()).toEqual({ detail: `Event '${filter}' not found.` })
    },
  )

  it("answers 404 for a filter without URLs", async () => {
    await post("user_registered", HOOK)
    const response = await list("?event_filter=user_send_message")
    expect(response.status).toBe(404)
    expect(await response.json()).toEqual({ detail: "Event 'user_send_message' has no registered URLs." })
  })
})
