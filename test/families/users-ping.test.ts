import { beforeEach, describe, expect, it, vi } from "vitest"

import { type Answer, verify } from "../support/receiver.ts"
import { createWorld, ORIGIN, type World } from "../support/world.ts"

const A = "http://a.example/hook"
const B = "http://b.example/hook"
const C = "http://c.example/hook"
const ALL = "Pinged all registered webhooks successfully."
const DEFAULT_DATA = { message: "Ping from User Notification Webhook Service" }
const DAY_MS = 24 * 3600 * 1000

interface Pinged {
  successful_webhooks_count: number
  successful_webhooks: { event: string; url: string; payload_response: unknown; truncated?: true }[]
  failed_webhooks_count: number
  failed_webhooks: { event: string; url: string; error: string; status_code: number | null }[]
  pending_webhooks_count: number
  pending_webhooks: { event: string; url: string }[]
  results_url: string
}

let world: World

beforeEach(async () => {
  world = await createWorld()
  world.pingsWork()
})

/** No consumer works: the request waits in vain. */
function sleepOnly(): void {
  world.clock.whileAsleep = async (ms) => world.clock.advance(ms)
}

/**
 * The consumer's requests hang until their timers fire: it is started, not waited for. `settled` says when the
 * jobs are where they must be before time may go on.
 */
function workInBackground(settled: () => void): Promise<unknown> {
  const { promise, resolve } = Promise.withResolvers<unknown>()
  let started = false
  world.clock.whileAsleep = async (ms) => {
    world.clock.advance(ms)
    if (!started) void world.runDue().then(resolve)
    started = true
    await vi.waitFor(settled, { interval: 1, timeout: 5000 })
  }
  return promise
}

const ping = (query = "", json?: unknown) =>
  world.fetch(`/ping${query}`, json === undefined ? { method: "POST" } : { json })
const pinged = async (query = "", json?: unknown) => (await ping(query, json)).json<Pinged>()

async function register(event: string, ...urls: string[]): Promise<string> {
  let secret = ""
  for (const url of urls) {
    const response = await world.fetch("/webhook", { json: { event, url } })
    secret = (await response.json<{ secret: string }>()).secret
  }
  return secret
}

function success(event: string, url: string) {
  return { event, url, payload_response: { ok: true }, payload: { ok: true }, status_code: 200 }
}

function failure(event: string, url: string, error: string, status_code: number | null) {
  return { event, url, error, status_code }
}

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

describe("what a pinged receiver answers", () => {
  beforeEach(() => register("user_registered", A))

  async function successAfter(answer: Response) {
    world.receivers.at(A, answer)
    return (await pinged()).successful_webhooks
  }

  it.each([
    ["an object", '{"b": 1, "a": {"c": [null]}}', { b: 1, a: { c: [null] } }],
    ["an array", "[1, 2]", [1, 2]],
    ["a string", '"héllo"', "héllo"],
    ["a number", "-1.5", -1.5],
    ["true", "true", true],
    ["false", "false", false],
    ["null", "null", null],
    ["nothing", "", {}],
    ["no JSON", "<p>OK</p>", {}],
    ["JSON and more", '{"a":1} {"b":2}', {}],
    ["JSON that breaks off", '{"a":', {}],
  ])("is shown when it is %s", async (_, body, shown) => {
    expect(await successAfter(new Response(body))).toEqual([
      { event: "user_registered", url: A, payload_response: shown, payload: shown, status_code: 200 },
    ])
  })

  it("is {} when it is not text", async () => {
    expect(await successAfter(new Response(new Uint8Array([0xff, 0xfe, 0])))).toEqual([
      { event: "user_registered", url: A, payload_response: {}, payload: {}, status_code: 200 },
    ])
  })

  it("is shown whatever its content type", async () => {
    const answer = new Response('{"a":1}', { headers: { "content-type": "text/html" } })
    expect(await successAfter(answer)).toMatchObject([{ payload_response: { a: 1 } }])
  })

  it.each([201, 202, 204, 299])("is a success with the status %d", async (status) => {
    const answer = new Response(status === 204 ? null : '{"a":1}', { status })
    const shown = status === 204 ? {} : { a: 1 }
    expect(await successAfter(answer)).toEqual([
      { event: "user_registered", url: A, payload_response: shown, payload: shown, status_code: status },
    ])
  })

  it("is shown in full up to 16 KiB", async () => {
    const text = "x".repeat(16 * 1024 - 2)
    expect(await successAfter(new Response(JSON.stringify(text)))).toEqual([
      { event: "user_registered", url: A, payload_response: text, payload: text, status_code: 200 },
    ])
  })

  it.each([
    ["JSON", JSON.stringify("x".repeat(16 * 1024 - 1))],
    ["JSON with a tail of white space", `{"a":1}${" ".repeat(16 * 1024)}`],
    ["no JSON", "x".repeat(100_000)],
  ])("is {} and truncated over 16 KiB of %s", async (_, body) => {
    expect(await successAfter(new Response(body))).toEqual([
      {
        event: "user_registered",
        url: A,
        payload_response: {},
        payload: {},
        status_code: 200,
        truncated: true,
      },
    ])
  })

  it.each([
    [301, "Moved Permanently"],
    [302, "Found"],
    [307, "Temporary Redirect"],
    [400, "Bad Request"],
    [401, "Unauthorized"],
    [403, "Forbidden"],
    [404, "Not Found"],
    [405, "Method Not Allowed"],
    [429, "Too Many Requests"],
    [500, "Internal Server Error"],
    [502, "Bad Gateway"],
    [503, "Service Unavailable"],
  ])("is a failure with the status %d", async (status, phrase) => {
    world.receivers.at(A, new Response('{"a":1}', { status, headers: { location: B } }))
    expect(await pinged()).toEqual({
      message: ALL,
      successful_webhooks_count: 0,
      successful_webhooks: [],
      failed_webhooks_count: 1,
      failed_webhooks: [failure("user_registered", A, `HTTP error: ${phrase}`, status)],
    })
    expect(world.receivers.to(B)).toEqual([])
  })

  it.each([
    [404, "Gone Fishing"],
    [422, "Unprocessable Entity"],
    [599, "Tired"],
  ])("names the receiver's own reason phrase: %d %s", async (status, statusText) => {
    world.receivers.at(A, new Response("", { status, statusText }))
    expect((await pinged()).failed_webhooks).toEqual([
      failure("user_registered", A, `HTTP error: ${statusText}`, status),
    ])
  })

  it.each([
    ["Connection refused", new Error("Network connection lost.")],
    ["Name or TLS error", new Error("internal error; reference = abc")],
    ["Timed out", new DOMException("took too long", "TimeoutError")],
  ])("is the failure %s without a status", async (error, thrown) => {
    world.receivers.at(A, thrown)
    expect((await pinged()).failed_webhooks).toEqual([failure("user_registered", A, error, null)])
  })

  it("is the failure Target refused when the URL may no longer be a target", async () => {
    await register("user_send_message", "http://127.0.0.1:9000/hook")
    Object.assign(world.config, { allowPrivateTargets: false })
    expect((await pinged()).failed_webhooks).toEqual([
      failure("user_send_message", "http://127.0.0.1:9000/hook", "Target refused", null),
    ])
    expect(world.receivers.to("http://127.0.0.1:9000/hook")).toEqual([])
  })

  it("is the failure Timed out after 10 seconds of silence", async () => {
    world.receivers.at(A, "hang")
    const started = world.clock.now()
    let done = false
    void workInBackground(() => {
      expect(world.receivers.received).toHaveLength(1)
      expect(done).toBe(world.clock.now() >= started + 50 + 10_000)
    }).then(() => {
      done = true
    })
    const response = await ping()
    expect(response.status).toBe(200)
    expect(await response.json()).toMatchObject({
      successful_webhooks_count: 0,
      failed_webhooks: [failure("user_registered", A, "Timed out", null)],
    })
    expect(world.clock.now() - started).toBeLessThan(12_000)
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

describe("a ping that takes long", () => {
  const hanging = Array.from({ length: 13 }, (_, n) => `http://hangs-${n}.example/`)

  /** More receivers than can time out within 25 s, six at a time, 10 s each. */
  function hangAll(): Promise<unknown> {
    for (const url of hanging) world.receivers.at(url, "hang")
    const started = world.clock.now()
    return workInBackground(() => {
      const rounds = world.clock.now() - started < 10_050 ? 1 : world.clock.now() - started < 20_100 ? 2 : 3
      expect(world.receivers.received).toHaveLength(Math.min(6 * rounds, 13))
    })
  }

  it("is answered after 25 seconds with what is pending", async () => {
    await register("user_registered", ...hanging)
    void hangAll()
    const started = world.clock.now()
    const response = await ping("", { a: 1 })
    expect(response.status).toBe(202)
    expect(await response.json()).toEqual({
      message: ALL,
      successful_webhooks_count: 0,
      successful_webhooks: [],
      failed_webhooks_count: 0,
      failed_webhooks: [],
      pending_webhooks_count: 13,
      pending_webhooks: hanging.map((url) => ({ event: "user_registered", url })),
      results_url: expect.stringMatching(new RegExp(`^${ORIGIN}/ping/ping_[0-9a-f]{32}$`)),
    })
    const waited = world.clock.now() - started
    expect(waited).toBeGreaterThanOrEqual(25_000)
    expect(waited).toBeLessThan(26_000)
  })

  it("requests every URL, however many hang before it", async () => {
    const many = Array.from({ length: 24 }, (_, n) => `http://hangs-${n}.example/`)
    await register("user_registered", ...many, A)
    for (const url of many) world.receivers.at(url, "hang")
    const started = world.clock.now()
    const rounds = (at: number) => Math.min(4, 1 + Math.floor((at - started - 50) / 10_000))
    const settled = () => expect(world.receivers.received).toHaveLength(6 * rounds(world.clock.now()))
    const worked = workInBackground(settled)
    await pinged()
    world.clock.advance(5000)
    await vi.waitFor(settled, { interval: 1, timeout: 5000 })
    world.clock.advance(10_000)
    await worked
    expect(world.receivers.to(A)).toHaveLength(1)
  })

  it("has its results at results_url once they are in", async () => {
    await register("user_registered", ...hanging)
    const worked = hangAll()
    const { results_url } = await pinged()
    world.clock.advance(10_000)
    await worked
    const response = await world.fetch(results_url)
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({
      message: ALL,
      successful_webhooks_count: 0,
      successful_webhooks: [],
      failed_webhooks_count: 13,
      failed_webhooks: hanging.map((url) => failure("user_registered", url, "Timed out", null)),
    })
  })

  it("is still pending at results_url while no consumer has worked it", async () => {
    await register("user_registered", A)
    sleepOnly()
    const first = await pinged()
    const response = await world.fetch(first.results_url)
    expect(response.status).toBe(202)
    expect(await response.json()).toEqual(first)
  })

  it("keeps the filter at results_url", async () => {
    await register("user_registered", A)
    sleepOnly()
    const { results_url } = await pinged("?event_filter=user_registered")
    await world.runAll()
    expect(await (await world.fetch(results_url)).json()).toEqual({
      message: "Pinged webhooks for event 'user_registered' successfully.",
      successful_webhooks_count: 1,
      successful_webhooks: [success("user_registered", A)],
      failed_webhooks_count: 0,
      failed_webhooks: [],
    })
  })

  it("shows results at results_url after the URL was removed", async () => {
    await register("user_registered", A)
    sleepOnly()
    const { results_url } = await pinged()
    await world.runAll()
    await world.fetch("/webhook", { method: "DELETE", json: { event: "user_registered", url: A } })
    expect(await (await world.fetch(results_url)).json()).toMatchObject({ successful_webhooks_count: 1 })
  })

  it("ends as expired after 60 seconds", async () => {
    await register("user_registered", A)
    sleepOnly()
    const { results_url } = await pinged()
    world.clock.advance(60_000)
    const response = await world.fetch(results_url)
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({
      message: ALL,
      successful_webhooks_count: 0,
      successful_webhooks: [],
      failed_webhooks_count: 1,
      failed_webhooks: [failure("user_registered", A, "Expired", null)],
    })
  })

  it("sends nothing any more once it has expired", async () => {
    await register("user_registered", A)
    sleepOnly()
    const { results_url } = await pinged()
    world.clock.advance(60_000)
    await world.runAll()
    await world.sweep()
    await world.runAll()
    expect(world.receivers.received).toEqual([])
    expect(await (await world.fetch(results_url)).json()).toMatchObject({
      failed_webhooks: [failure("user_registered", A, "Expired", null)],
    })
  })

  it("is worked by the next sweep when the queue refused its job", async () => {
    await register("user_registered", A)
    world.queueRefuses = true
    sleepOnly()
    const { results_url } = await pinged()
    world.queueRefuses = false
    await world.sweep()
    await world.runAll()
    expect(await (await world.fetch(results_url)).json()).toMatchObject({
      successful_webhooks: [success("user_registered", A)],
    })
  })

  it("makes each request once when its job comes twice", async () => {
    await register("user_registered", A)
    world.clock.whileAsleep = async (ms) => {
      world.clock.advance(ms)
      world.queued.push(...world.queued)
      await world.runDue()
    }
    expect(await pinged()).toMatchObject({ successful_webhooks_count: 1 })
    expect(world.receivers.to(A)).toHaveLength(1)
  })

  it("is not sent again when its results were lost", async () => {
    await register("user_registered", A)
    world.probe.before = (statements) => {
      if (statements.some((sql) => sql.includes("INSERT INTO attempts"))) throw new Error("D1 is away")
    }
    await pinged()
    world.probe.before = null
    await world.sweep()
    await world.runAll()
    expect(world.receivers.to(A)).toHaveLength(1)
  })

  it("answers 404 for a ping that never was", async () => {
    const response = await world.fetch("/ping/ping_019a8f0c5d1b7c3e9a4f2b6d8e0c1a3f")
    expect(response.status).toBe(404)
    expect(await response.json()).toEqual({ code: "not_found", detail: "Ping not found" })
  })
})

describe("a ping of more than 200 subscriptions", () => {
  const urls = Array.from({ length: 205 }, (_, n) => `http://receiver-${n}.example/`)

  /** What 200 leave over is not worked: the queue refuses further jobs. */
  function workFirstJobs(): void {
    world.clock.whileAsleep = async (ms) => {
      world.clock.advance(ms)
      world.queueRefuses = true
      await world.runDue()
    }
  }

  it("waits for 200 and answers the rest as pending", async () => {
    await register("user_registered", ...urls)
    workFirstJobs()
    const started = world.clock.now()
    const response = await ping()
    expect(response.status).toBe(202)
    const body = await response.json<Pinged>()
    expect(body.successful_webhooks_count).toBe(200)
    expect(body.successful_webhooks.map(({ url }) => url)).toEqual(urls.slice(0, 200))
    expect(body.pending_webhooks_count).toBe(5)
    expect(body.pending_webhooks).toEqual(urls.slice(200).map((url) => ({ event: "user_registered", url })))
    expect(world.clock.now() - started).toBeLessThan(1000)
  })

  it("has all its results at results_url, in order, one request each", async () => {
    await register("user_registered", ...urls)
    workFirstJobs()
    const { results_url } = await pinged()
    world.queueRefuses = false
    await world.cron()
    await world.runAll()
    const response = await world.fetch(results_url)
    expect(response.status).toBe(200)
    const body = await response.json<Pinged>()
    expect(body.successful_webhooks.map(({ url }) => url)).toEqual(urls)
    expect(world.receivers.received).toHaveLength(205)
  })

  it("answers 200 when all are in at once", async () => {
    await register("user_registered", ...urls)
    const response = await ping()
    expect(response.status).toBe(200)
    expect(await response.json()).toMatchObject({ successful_webhooks_count: 205, failed_webhooks_count: 0 })
  })
})
