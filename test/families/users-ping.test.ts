import { beforeEach, describe, expect, it, vi } from "vitest"
import { ALL, failure, pinging, success } from "../support/ping.ts"
import { type Answer, verify } from "../support/receiver.ts"
import { createWorld, type World } from "../support/world.ts"

const A = "http://a.example/hook"

const B = "http://b.example/hook"

const C = "http://c.example/hook"

const DEFAULT_DATA = { message: "Ping from User Notification Webhook Service" }

const DAY_MS = 24 * 3600 * 1000

let world: World

beforeEach(async () => {
  world = await createWorld()
  world.pingsWork()
})

const { ping, pinged, register } = pinging(() => world)

describe("POST /ping", () => {
  it("answers every success and failure", async () => {
    await register("user_registered", A, B)
    world.receivers.at(B, 404)
    const response = await ping()
    expect(response.status).toBe(200)
    expect(response.headers.get("content-type")).toBe("application/json")
    expect(await response.json()).toEqual({
      message: ALL,
      successful_webhooks_count: 1,
      successful_webhooks: [success("user_registered", A)],
      failed_webhooks_count: 1,
      failed_webhooks: [failure("user_registered", B, "HTTP error: Not Found", 404)],
    })
  })

  it("answers zero counts when nothing is registered", async () => {
    const response = await ping()
    expect(response.status).toBe(200)
    expect(await response.text()).toBe(
      `{"message":"${ALL}","successful_webhooks_count":0,"successful_webhooks":[],"failed_webhooks_count":0,"failed_webhooks":[]}`,
    )
  })

  it("answers zero counts when the last URL was removed", async () => {
    await register("user_registered", A)
    await world.fetch("/webhook", { method: "DELETE", json: { event: "user_registered", url: A } })
    expect(await pinged()).toMatchObject({ successful_webhooks_count: 0, failed_webhooks_count: 0 })
    expect(world.receivers.received).toEqual([])
  })

  it("pings a URL once for each of its events, by event, then in order of registration", async () => {
    await register("user_send_message", A)
    await register("user_registered", B)
    world.clock.advance(1)
    await register("user_registered", A)
    await register("user_send_message", C)
    expect((await pinged()).successful_webhooks).toEqual([
      success("user_registered", B),
      success("user_registered", A),
      success("user_send_message", A),
      success("user_send_message", C),
    ])
    expect(world.receivers.received).toHaveLength(4)
  })

  it("keeps that order among the failures, whoever answers first", async () => {
    await register("user_send_message", A, C)
    await register("user_registered", C, B)
    world.receivers.at(B, 500)
    world.receivers.at(C, async () => {
      await vi.waitFor(() => expect(world.receivers.received).toHaveLength(4), { interval: 1 })
      return 500
    })
    expect((await pinged()).failed_webhooks.map(({ event, url }) => [event, url])).toEqual([
      ["user_registered", C],
      ["user_registered", B],
      ["user_send_message", C],
    ])
  })

  it("sends each event type in its own name", async () => {
    await register("user_registered", A)
    await register("user_send_message", A)
    await ping()
    expect(world.receivers.to(A).map(({ json }) => json)).toEqual(
      expect.arrayContaining([
        { event: "user_registered", data: DEFAULT_DATA },
        { event: "user_send_message", data: DEFAULT_DATA },
      ]),
    )
  })

  it("signs its requests like deliveries", async () => {
    const secret = await register("user_registered", A)
    await ping("", { "ключ 🦉": "é\n" })
    expect(verify(secret, world.receivers.to(A)[0])).toEqual({
      event: "user_registered",
      data: { "ключ 🦉": "é\n" },
    })
  })

  it("sends receivers exactly the content type application/json", async () => {
    await register("user_registered", A)
    await ping()
    expect(world.receivers.to(A)[0]?.headers["content-type"]).toBe("application/json")
  })

  it("pings a disabled endpoint too", async () => {
    await register("user_registered", A)
    world.receivers.at(A, 410, 200)
    await world.fetch("/users", { json: { username: "Alice" } })
    await world.runAll()
    expect((await pinged()).successful_webhooks).toEqual([success("user_registered", A)])
  })

  it("does not disable an endpoint that answers it with 410", async () => {
    await register("user_registered", A)
    world.receivers.at(A, 410, 200)
    expect((await pinged()).failed_webhooks).toEqual([failure("user_registered", A, "HTTP error: Gone", 410)])
    await world.fetch("/users", { json: { username: "Alice" } })
    await world.runAll()
    expect(world.receivers.to(A)).toHaveLength(2)
  })

  it.each<[string, Answer]>([
    ["a 500", 500],
    ["a lost connection", new Error("Network connection lost.")],
    ["a 503 that says when to come back", new Response("", { status: 503, headers: { "retry-after": "5" } })],
  ])("is never retried after %s", async (_, answer) => {
    await register("user_registered", A)
    world.receivers.at(A, answer)
    await ping()
    await world.runAll(DAY_MS)
    await world.sweep()
    await world.runAll(DAY_MS)
    expect(world.receivers.to(A)).toHaveLength(1)
  })

  it("leaves an endpoint's health alone", async () => {
    await register("user_registered", A)
    world.receivers.at(A, 500)
    for (let n = 0; n < 8; n++) {
      await ping()
      world.clock.advance(DAY_MS)
    }
    world.receivers.at(A, 200)
    await world.fetch("/users", { json: { username: "Alice" } })
    await world.runAll()
    expect(world.receivers.to(A).at(-1)?.json).toMatchObject({ data: { username: "alice" } })
  })
})

describe("the body of POST /ping", () => {
  const encode = (text: string) => new TextEncoder().encode(text)
  const asJson = { "content-type": "application/json" }

  beforeEach(() => register("user_registered", A))

  it.each<[string, RequestInit]>([
    ["no body and no content type", {}],
    ["no body and a JSON content type", { headers: asJson }],
    ["an empty body and no content type", { body: encode("") }],
    ["an empty body and a JSON content type", { body: "", headers: asJson }],
    ["an empty body of plain text", { body: "", headers: { "content-type": "text/plain" } }],
    [
      "an empty body of a form",
      { body: "", headers: { "content-type": "application/x-www-form-urlencoded" } },
    ],
    ["null", { body: "null", headers: asJson }],
    ["null and no content type", { body: encode("null") }],
    ["{}", { body: "{}", headers: asJson }],
    ["{} with white space", { body: " {\n} ", headers: asJson }],
  ])("is the default payload for %s", async (_, init) => {
    const response = await world.fetch("/ping", { method: "POST", ...init })
    expect(response.status).toBe(200)
    expect(world.receivers.received.map(({ body }) => body)).toEqual([
      `{"event":"user_registered","data":${JSON.stringify(DEFAULT_DATA)}}`,
    ])
  })

  it.each([
    ["the documented object", '{"arbitrary_key":"test", "arbitrary_key2":"test2"}'],
    ["the documented object with a newline inside", '{"arbitrary_key":"test",\n"arbitrary_key2":"test2"}'],
  ])("is sent as data: %s", async (_, body) => {
    const response = await world.fetch("/ping", { method: "POST", headers: asJson, body })
    expect(response.status).toBe(200)
    expect(world.receivers.received.map((request) => request.body)).toEqual([
      `{"event":"user_registered","data":${body}}`,
    ])
  })

  it("is sent with nesting, types and the order of its keys kept", async () => {
    const body = '{"z":[1,2.5,null,true,{"b":{},"a":[]}],"event":"x","data":{"data":"é"},"a":""}'
    await world.fetch("/ping", { method: "POST", body: encode(body) })
    expect(world.receivers.received.map((request) => request.body)).toEqual([
      `{"event":"user_registered","data":${body}}`,
    ])
  })

  it.each(["[]", '[{"a":1}]', '"text"', "5", "true", "false"])("is refused when it is %s", async (body) => {
    const response = await world.fetch("/ping", { method: "POST", headers: asJson, body })
    expect(response.status).toBe(422)
    expect(await response.json()).toEqual({
      detail: [{ loc: ["body"], msg: expect.any(String), type: "invalid_type" }],
    })
    expect(world.queued).toEqual([])
  })
})

describe("POST /ping?event_filter=", () => {
  it("pings the named event's URLs alone", async () => {
    await register("user_registered", A, B)
    await register("user_send_message", A, C)
    const response = await ping("?event_filter=user_send_message")
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({
      message: "Pinged webhooks for event 'user_send_message' successfully.",
      successful_webhooks_count: 2,
      successful_webhooks: [success("user_send_message", A), success("user_send_message", C)],
      failed_webhooks_count: 0,
      failed_webhooks: [],
    })
    expect(world.receivers.received).toHaveLength(2)
  })

  it("sends the body to them", async () => {
    await register("user_registered", A)
    await ping("?event_filter=user_registered", { arbitrary_key: "test" })
    expect(world.receivers.to(A).map(({ json }) => json)).toEqual([
      { event: "user_registered", data: { arbitrary_key: "test" } },
    ])
  })

  it("answers failures with the filter's message", async () => {
    await register("user_registered", A)
    world.receivers.at(A, 500)
    expect(await pinged("?event_filter=user_registered")).toEqual({
      message: "Pinged webhooks for event 'user_registered' successfully.",
      successful_webhooks_count: 0,
      successful_webhooks: [],
      failed_webhooks_count: 1,
      failed_webhooks: [failure("user_registered", A, "HTTP error: Internal Server Error", 500)],
    })
  })

  it.each(["unknown", "User_Registered", "", "user_registered "])(
    "answers 404 for the filter %j",
    async (filter) => {
      await register("user_registered", A)
      const response = await ping(`?event_filter=${encodeURIComponent(filter)}`)
      expect(response.status).toBe(404)
      expect(await response.json()).toEqual({ detail: `Event '${filter}' not found.` })
      expect(world.queued).toEqual([])
    },
  )

  it("answers 404 for an event without URLs", async () => {
    await register("user_registered", A)
    const response = await ping("?event_filter=user_send_message")
    expect(response.status).toBe(404)
    expect(await response.json()).toEqual({ detail: "Event 'user_send_message' has no registered URLs." })
    expect(world.queued).toEqual([])
  })
})
