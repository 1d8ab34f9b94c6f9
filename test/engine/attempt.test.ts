import { describe, expect, it, vi } from "vitest"
import manifest from "../../package.json"
import { attempt, type Trigger } from "../../src/engine/pipeline/attempt.ts"
import type { Deps } from "../../src/platform/deps.ts"
import { registerHook, registerUser, SECRET } from "../support/make.ts"
import { attemptsOf, deliveryOf } from "../support/read.ts"
import { type Answer, verify } from "../support/receiver.ts"
import { createWorld, type World } from "../support/world.ts"

const HOOK = "http://receiver.example/hook"
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const SCHEDULE_SECONDS = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]

const EVENT = { id: "evt_1", applicationId: "app_users", payload: '{"event":"x","data":{"name":"Zoë 🦉"}}' }
const ENDPOINT = { id: "ep_1", url: HOOK, headers: null, secrets: [`0:${SECRET}`] }

function withFetch(world: World, fetch: () => Promise<Response>): Deps {
  return { ...world.deps, fetch: fetch as unknown as Deps["fetch"] }
}

/** One attempt at a receiver that answers like this. */
async function attemptAt(answer: Answer, trigger: Trigger = "scheduled") {
  const world = await createWorld()
  world.receivers.at(HOOK, answer)
  return attempt(world.deps, EVENT, ENDPOINT, trigger)
}

/** A response whose body sends these chunks and then hangs. */
function hanging(status: number, ...chunks: string[]): Response {
  const encoder = new TextEncoder()
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(encoder.encode(chunk))
    },
    pull: () => new Promise(() => {}),
  })
  return new Response(body, { status })
}

/** Waits until the one request is under way: its timer is set. */
const underWay = (world: World) => expect.poll(() => world.clock.timers(), { interval: 1 }).toBe(1)

describe("the outcome of an attempt", () => {
  it.each([200, 201, 202, 204, 206, 226, 299])("is delivered for a %i", async (status) => {
    const made = await attemptAt(() => new Response(null, { status }))
    expect(made).toMatchObject({ outcome: "delivered", statusCode: status, error: null })
  })

  it.each([300, 301, 302, 303, 304, 307, 308])(
    "is a failure for a %i, which is not followed",
    async (status) => {
      const world = await createWorld()
      world.receivers.at(
        HOOK,
        () => new Response(null, { status, headers: { location: "http://10.0.0.1/" } }),
      )
      const made = await attempt(world.deps, EVENT, ENDPOINT, "scheduled")
      expect(made).toMatchObject({ outcome: "retry", statusCode: status, error: null })
      expect(world.receivers.received).toHaveLength(1)
    },
  )

  it.each([400, 401, 404, 408, 409, 418, 422, 429, 451, 500, 502, 503, 504, 520, 522, 530, 599])(
    "is a failure for a %i",
    async (status) => {
      const made = await attemptAt(() => new Response(null, { status }))
      expect(made).toMatchObject({ outcome: "retry", statusCode: status, error: null })
    },
  )

  it("is a farewell for a 410", async () => {
    expect(await attemptAt(410)).toMatchObject({ outcome: "gone", statusCode: 410 })
  })

  it.each([
    ["Network connection lost.", "connection"],
    ["Network connection lost", "connection"],
    ["connect ECONNREFUSED 127.0.0.1:9", "connection"],
    ["internal error; reference = abc123", "name-or-tls"],
    ["internal error", "name-or-tls"],
    ["DNS lookup failed", "name-or-tls"],
    ["TLS handshake failed", "name-or-tls"],
    ["the certificate has expired", "name-or-tls"],
    ["The operation timed out", "timeout"],
    ["something nobody has seen yet", "connection"],
  ])("is a failure for a fetch that throws %j: %s", async (message, error) => {
    const made = await attemptAt(new Error(message))
    expect(made).toMatchObject({ outcome: "retry", statusCode: null, error, retryAfterMs: null })
    expect(made.body).toEqual({ text: "", encoding: "utf8", truncated: false })
  })

  it("is internal, and no request is made, for a secret that cannot sign", async () => {
    const world = await createWorld()
    for (const secrets of [["0:whsec_short"], ["0:"], ["ffffffff:AAAA"], ["garbage"]]) {
      const made = await attempt(world.deps, EVENT, { ...ENDPOINT, secrets }, "scheduled")
      expect(made).toMatchObject({ outcome: "retry", statusCode: null, error: "internal" })
    }
    expect(world.receivers.received).toEqual([])
  })
})

describe("the request of an attempt", () => {
  it("is a POST that follows no redirect, with a signal to end it", async () => {
    const world = await createWorld()
    const fetch = vi.fn(async (_url: unknown, _init?: unknown) => new Response("ok"))
    await attempt({ ...world.deps, fetch: fetch as unknown as Deps["fetch"] }, EVENT, ENDPOINT, "scheduled")
    expect(fetch).toHaveBeenCalledTimes(1)
    const [url, init] = fetch.mock.calls[0] ?? []
    expect(url).toBe(HOOK)
    expect(init).toMatchObject({ method: "POST", redirect: "manual", signal: expect.any(AbortSignal) })
    expect(Object.keys(init as object).sort()).toEqual(["body", "headers", "method", "redirect", "signal"])
  })

  it("carries the headers of the design and no other", async () => {
    const world = await createWorld()
    const secret = await registerHook(world, HOOK)
    // What the publisher's request carries must not travel on.
    await world.fetch("/users", {
      json: { username: "alice" },
      headers: {
        authorization: "Bearer x",
        cookie: "a=b",
        "x-forwarded-for": "1.2.3.4",
        "cf-ray": "ray",
        traceparent: "t",
      },
    })
    await world.runAll()
    const [sent] = world.receivers.received
    expect(sent?.headers).toEqual({
      "content-type": "application/json",
      "user-agent": `Posthorn/${manifest.version}`,
      "webhook-id": expect.stringMatching(/^evt_[0-9a-f]{32}$/),
      "webhook-signature": expect.stringMatching(/^v1,[A-Za-z0-9+/]{43}=$/),
      "webhook-timestamp": String(Math.floor((sent?.at ?? 0) / 1000)),
    })
    expect(verify(secret, sent)).toEqual(sent?.json)
  })

  it("carries exactly the bytes of the payload, which are the bytes signed", async () => {
    const world = await createWorld()
    await attempt(world.deps, EVENT, ENDPOINT, "scheduled")
    const [sent] = world.receivers.received
    expect(sent?.body).toBe(EVENT.payload)
    expect(verify(SECRET, sent)).toEqual(JSON.parse(EVENT.payload))
    const forged = sent && { ...sent, body: sent.body.replace("x", "y") }
    expect(() => verify(SECRET, forged)).toThrow()
  })

  it("is signed with every current secret, newest first", async () => {
    const world = await createWorld()
    const older = `whsec_${btoa("o".repeat(32))}`
    await attempt(world.deps, EVENT, { ...ENDPOINT, secrets: [`0:${SECRET}`, `0:${older}`] }, "scheduled")
    const [sent] = world.receivers.received
    const signatures = sent?.headers["webhook-signature"]?.split(" ") ?? []
    expect(signatures).toHaveLength(2)
    for (const secret of [SECRET, older]) expect(verify(secret, sent)).toBeTruthy()
    const first = sent && { ...sent, headers: { ...sent.headers, "webhook-signature": signatures[0] ?? "" } }
    expect(verify(SECRET, first)).toBeTruthy()
    expect(() => verify(older, first)).toThrow()
  })

  it("carries the endpoint's own headers, but none that is ours or the network's", async () => {
    const world = await createWorld()
    const headers = {
      authorization: "Bearer receiver",
      "Content-Type": "application/vnd.x+json",
      "webhook-id": "forged",
      "Webhook-Signature": "forged",
      "user-agent": "forged",
      host: "10.0.0.1",
      "cf-connecting-ip": "1.2.3.4",
      "x-forwarded-for": "1.2.3.4",
      "transfer-encoding": "chunked",
      upgrade: "websocket",
      "x-split": "a\r\nx-injected: b",
      "x-unicode": "é",
    }
    await attempt(world.deps, EVENT, { ...ENDPOINT, headers: `0:${JSON.stringify(headers)}` }, "scheduled")
    expect(world.receivers.received[0]?.headers).toEqual({
      authorization: "Bearer receiver",
      "content-type": "application/vnd.x+json",
      "user-agent": `Posthorn/${manifest.version}`,
      "webhook-id": EVENT.id,
      "webhook-signature": expect.stringMatching(/^v1,/),
      "webhook-timestamp": expect.stringMatching(/^\d{10}$/),
    })
  })

  it("has the same webhook-id in every attempt, and a new timestamp and signature", async () => {
    const world = await createWorld()
    world.receivers.at(HOOK, 500, 500, 200)
    const secret = await registerHook(world, HOOK)
    const eventId = await registerUser(world, "alice")
    await world.runAll(10_000)
    world.clock.advance(301_000)
    await world.sweep()
    await world.runAll()
    const sent = world.receivers.to(HOOK)
    expect(sent.map(({ headers }) => headers["webhook-id"])).toEqual([eventId, eventId, eventId])
    expect(new Set(sent.map(({ body }) => body)).size).toBe(1)
    expect(new Set(sent.map(({ headers }) => headers["webhook-timestamp"])).size).toBe(3)
    for (const request of sent) expect(verify(secret, request)).toEqual(request.json)
  })
})

describe("the timeout of an attempt", () => {
  it.each(["15000", "100", "60000"])("comes after exactly ATTEMPT_TIMEOUT_MS: %s", async (setting) => {
    const timeoutMs = Number(setting)
    const world = await createWorld({ ATTEMPT_TIMEOUT_MS: setting })
    world.receivers.at(HOOK, "hang")
    let made: Awaited<ReturnType<typeof attempt>> | undefined
    const running = attempt(world.deps, EVENT, ENDPOINT, "scheduled").then((result) => {
      made = result
    })
    await underWay(world)
    world.clock.advance(timeoutMs - 1)
    expect([made, world.clock.timers()]).toEqual([undefined, 1])
    world.clock.advance(1)
    await running
    expect(made).toMatchObject({
      outcome: "retry",
      statusCode: null,
      error: "timeout",
      durationMs: timeoutMs,
    })
  })

  it("ends the request itself", async () => {
    const world = await createWorld()
    let signal: AbortSignal | undefined
    const deps: Deps = {
      ...world.deps,
      fetch: ((_url: unknown, init: { signal: AbortSignal }) => {
        signal = init.signal
        return new Promise(() => {})
      }) as unknown as Deps["fetch"],
    }
    const running = attempt(deps, EVENT, ENDPOINT, "scheduled")
    await underWay(world)
    expect(signal?.aborted).toBe(false)
    world.clock.advance(15_000)
    expect((await running).error).toBe("timeout")
    expect(signal?.aborted).toBe(true)
  })

  it("is gone once the answer is in: no timer stays behind", async () => {
    const world = await createWorld()
    let pending = 0
    const clock = {
      ...world.clock,
      after: (ms: number, callback: () => void) => {
        pending++
        const cancel = world.clock.after(ms, callback)
        return () => {
          pending--
          cancel()
        }
      },
    }
    for (const answer of [200, 500, new Error("x")]) {
      world.receivers.at(HOOK, answer)
      await attempt({ ...world.deps, clock }, EVENT, ENDPOINT, "scheduled")
      expect(pending).toBe(0)
    }
  })

  it("does not undo a 200 whose body hangs: that is delivered, with what had come", async () => {
    const world = await createWorld()
    const deps = withFetch(world, async () => hanging(200, '{"ok":'))
    const running = attempt(deps, EVENT, ENDPOINT, "scheduled")
    await underWay(world)
    world.clock.advance(15_000)
    expect(await running).toMatchObject({
      outcome: "delivered",
      statusCode: 200,
      error: null,
      durationMs: 15_000,
      body: { text: '{"ok":', encoding: "utf8" },
    })
  })

  it("keeps the status of a failure whose body hangs or breaks off", async () => {
    const world = await createWorld()
    const hung = attempt(
      withFetch(world, async () => hanging(500, "oops")),
      EVENT,
      ENDPOINT,
      "scheduled",
    )
    await underWay(world)
    world.clock.advance(15_000)
    expect(await hung).toMatchObject({
      outcome: "retry",
      statusCode: 500,
      error: null,
      body: { text: "oops" },
    })
    const breaking = new ReadableStream({
      pull: (controller) => controller.error(new Error("Network connection lost.")),
    })
    const broken = await attempt(
      withFetch(world, async () => new Response(breaking, { status: 410 })),
      EVENT,
      ENDPOINT,
      "scheduled",
    )
    expect(broken).toMatchObject({ outcome: "gone", statusCode: 410, error: null, body: { text: "" } })
  })

  it("lets a hanging receiver's delivery be tried again", async () => {
    const world = await createWorld()
    world.receivers.at(HOOK, "hang", 200)
    await registerHook(world, HOOK)
    const eventId = await registerUser(world, "alice")
    const running = world.runDue()
    await vi.waitFor(() => expect(world.receivers.received).toHaveLength(1))
    world.clock.advance(15_000)
    await running
    await world.runAll(10_000)
    expect(world.receivers.received).toHaveLength(2)
    const attempts = await attemptsOf(world, eventId)
    expect(attempts.map(({ error, statusCode, durationMs }) => [error, statusCode, durationMs])).toEqual([
      ["timeout", null, 15_000],
      [null, 200, 0],
    ])
  })
})

describe("the response that is kept", () => {
  it.each([
    [200, 1024],
    [299, 1024],
    [302, 16_384],
    [410, 16_384],
    [500, 16_384],
  ])("of a %i is its first %i bytes", async (status, limit) => {
    const exact = await attemptAt(() => new Response("x".repeat(limit), { status }))
    expect(exact.body).toEqual({ text: "x".repeat(limit), encoding: "utf8", truncated: false })
    const over = await attemptAt(() => new Response(`${"x".repeat(limit)}y`, { status }))
    expect(over.body).toEqual({ text: "x".repeat(limit), encoding: "utf8", truncated: true })
  })

  it("of a ping is up to 16 KiB, success or not", async () => {
    for (const status of [200, 500]) {
      const made = await attemptAt(() => new Response("x".repeat(20_000), { status }), "ping")
      expect(made.body.text).toHaveLength(16_384)
      expect(made.body.truncated).toBe(true)
    }
  })

  it("is read no further than it is kept, however long it goes on", async () => {
    const world = await createWorld()
    let chunks = 0
    let cancelled = false
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        chunks++
        controller.enqueue(new Uint8Array(512).fill(120))
      },
      cancel() {
        cancelled = true
      },
    })
    const made = await attempt(
      withFetch(world, async () => new Response(endless)),
      EVENT,
      ENDPOINT,
      "scheduled",
    )
    await expect.poll(() => cancelled, { interval: 1 }).toBe(true)
    expect(made.body).toEqual({ text: "x".repeat(1024), encoding: "utf8", truncated: true })
    expect(chunks).toBeLessThan(10)
  })

  it("is base64 when it is no clean UTF-8, or has a NUL", async () => {
    for (const bytes of [
      [0xff, 0xfe, 0x41],
      [0x41, 0x00, 0x42],
      [0xc3],
      [0xed, 0xa0, 0x80],
      [0x1f, 0x8b, 0x08],
    ]) {
      const made = await attemptAt(() => new Response(new Uint8Array(bytes), { status: 500 }))
      expect(made.body).toEqual({
        text: btoa(String.fromCharCode(...bytes)),
        encoding: "base64",
        truncated: false,
      })
    }
  })

  it("is text when only the limit cuts a character in two", async () => {
    const made = await attemptAt(() => new Response(`${"x".repeat(1023)}ü`))
    expect(made.body).toEqual({ text: "x".repeat(1023), encoding: "utf8", truncated: true })
  })

  it("comes back from D1 as it was, binary and Unicode alike", async () => {
    for (const [body, stored, encoding] of [
      ["Zoë 🦉 'quoted' \"too\" \\ \n", "Zoë 🦉 'quoted' \"too\" \\ \n", "utf8"],
      [new Uint8Array([0, 255, 128]), "AP+A", "base64"],
      ["", "", "utf8"],
    ] as const) {
      const world = await createWorld()
      world.receivers.at(HOOK, () => new Response(body, { status: 404 }))
      await registerHook(world, HOOK)
      const eventId = await registerUser(world, "alice")
      await world.runDue()
      const [kept] = await attemptsOf(world, eventId)
      expect(kept).toMatchObject({ statusCode: 404, url: HOOK, trigger: "scheduled", error: null })
      expect([kept?.body, kept?.bodyEncoding, kept?.bodyTruncated]).toEqual([stored, encoding, false])
    }
  })
})

async function endpointState(world: World) {
  return world.env.DB.prepare("SELECT disabled_at, disabled_reason, failing_since FROM endpoints").first<{
    disabled_at: number | null
    disabled_reason: string | null
    failing_since: number | null
  }>()
}

/** Lets time pass, then the cron and all jobs run. */
async function pass(world: World, ms: number): Promise<void> {
  world.clock.advance(ms)
  await world.sweep()
  await world.runAll()
}

describe("the next attempt", () => {
  it("comes after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h and 24 h, and then no more", async () => {
    const world = await createWorld()
    world.receivers.at(HOOK, 500)
    await registerHook(world, HOOK)
    const eventId = await registerUser(world, "alice")
    await world.runDue()
    for (const [failures, seconds] of SCHEDULE_SECONDS.entries()) {
      expect(world.receivers.received).toHaveLength(failures + 1)
      const delivery = await deliveryOf(world, eventId)
      expect(delivery).toMatchObject({ status: "pending", attempts: failures + 1 })
      expect(delivery.nextAttemptAt).toBe(world.clock.now() + seconds * 1000)
      await pass(world, seconds * 1000 - 1)
      expect(world.receivers.received).toHaveLength(failures + 1)
      await pass(world, 1)
    }
    expect(world.receivers.received).toHaveLength(10)
    expect(await deliveryOf(world, eventId)).toMatchObject({
      status: "failed",
      reason: "exhausted",
      attempts: 10,
      nextAttemptAt: null,
    })
    await pass(world, 2 * DAY_MS)
    expect(world.receivers.received).toHaveLength(10)
    const gaps = world.receivers.received.map(({ at }, n, all) => at - (all[n - 1]?.at ?? at)).slice(1)
    expect(gaps).toEqual(SCHEDULE_SECONDS.map((seconds) => seconds * 1000))
  })

  it("follows RETRY_SCHEDULE", async () => {
    const world = await createWorld({ RETRY_SCHEDULE: "1,2.5" })
    world.receivers.at(HOOK, 500)
    await registerHook(world, HOOK)
    const eventId = await registerUser(world, "alice")
    await world.runAll(60_000)
    expect(world.receivers.received).toHaveLength(3)
    expect(await deliveryOf(world, eventId)).toMatchObject({ status: "failed", reason: "exhausted" })
  })

  it("comes later by up to a tenth, never earlier", async () => {
    for (const [random, expected] of [
      [0, 5_000],
      [0.5, 5_250],
      [0.999, 5_500],
    ] as const) {
      const world = await createWorld()
      world.receivers.at(HOOK, 500)
      await registerHook(world, HOOK)
      const eventId = await registerUser(world, "alice")
      const at = world.clock.now()
      await world.runDue(false, { ...world.deps, random: () => random })
      const delay = ((await deliveryOf(world, eventId)).nextAttemptAt ?? 0) - at
      expect(delay).toBeGreaterThanOrEqual(expected - 1)
      expect(delay).toBeLessThanOrEqual(expected)
    }
  })

  const NOW = Date.UTC(2026, 0, 15, 12)
  const inSeconds = (seconds: number) => new Date(NOW + seconds * 1000).toUTCString()
  it.each([
    [429, "120", 120],
    [503, "120", 120],
    [503, "86400", 86_400],
    [503, "86401", 86_400],
    [503, "99999999999999999999", 86_400],
    [429, inSeconds(600), 600],
    [503, inSeconds(600), 600],
    [503, inSeconds(3 * 86_400), 86_400],
    [503, inSeconds(-600), 5],
    [429, "1", 5],
    [429, "0", 5],
    [429, "-60", 5],
    [429, "soon", 5],
    [429, "1e9", 5],
    [429, "", 5],
    [500, "120", 5],
    [502, "120", 5],
    [302, "120", 5],
    [404, inSeconds(600), 5],
  ])("after a %i with Retry-After %j comes in %i s", async (status, retryAfter, seconds) => {
    const world = await createWorld()
    world.receivers.at(
      HOOK,
      () => new Response(null, { status, headers: { "retry-after": retryAfter } }),
      200,
    )
    await registerHook(world, HOOK)
    const eventId = await registerUser(world, "alice")
    await world.runDue()
    expect((await deliveryOf(world, eventId)).nextAttemptAt).toBe(NOW + seconds * 1000)
    await pass(world, seconds * 1000 - 1)
    expect(world.receivers.received).toHaveLength(1)
    await pass(world, 1)
    expect(world.receivers.received).toHaveLength(2)
    expect(await deliveryOf(world, eventId)).toMatchObject({ status: "delivered" })
  })

  it("never comes earlier through a Retry-After than the schedule says", async () => {
    const world = await createWorld({ RETRY_SCHEDULE: "300" })
    world.receivers.at(HOOK, () => new Response(null, { status: 503, headers: { "retry-after": "10" } }))
    await registerHook(world, HOOK)
    const eventId = await registerUser(world, "alice")
    await world.runDue()
    expect((await deliveryOf(world, eventId)).nextAttemptAt).toBe(NOW + 300_000)
  })

  it("holds for the endpoint's other events too when Retry-After asks for it", async () => {
    const world = await createWorld()
    world.receivers.at(
      HOOK,
      () => new Response(null, { status: 429, headers: { "retry-after": "3600" } }),
      200,
    )
    await registerHook(world, HOOK)
    await registerUser(world, "alice")
    await world.runDue()
    await registerUser(world, "bob")
    await pass(world, 3_599_999)
    expect(world.receivers.received).toHaveLength(1)
    await pass(world, 1)
    expect(world.receivers.received).toHaveLength(3)
  })
})

describe("a batch with an endpoint that hangs", () => {
  const OTHER = "http://other.example/hook"

  it("books everybody else's retry and pause from the end of their own attempts", async () => {
    const world = await createWorld()
    world.receivers.at(HOOK, "hang")
    world.receivers.at(OTHER, () => new Response(null, { status: 503, headers: { "retry-after": "8" } }))
    for (const url of [HOOK, OTHER]) await registerHook(world, url)
    const eventId = await registerUser(world, "alice")
    const start = world.clock.now()
    const working = world.run(world.queued.splice(0))
    await expect.poll(() => world.receivers.received.length).toBe(2)
    await underWay(world)
    world.clock.advance(15_000)
    await working
    const { results } = await world.env.DB.prepare(
      `SELECT e.url, d.next_attempt_at, e.paused_until FROM deliveries d JOIN endpoints e ON e.id = d.endpoint_id
       WHERE d.event_id = ? ORDER BY e.id`,
    )
      .bind(eventId)
      .all()
    expect(results).toEqual([
      { url: HOOK, next_attempt_at: start + 15_000 + 5_000, paused_until: null },
      { url: OTHER, next_attempt_at: start + 8_000, paused_until: null },
    ])
    await world.runDue()
    expect(world.receivers.to(OTHER).map(({ at }) => at - start)).toEqual([0, 15_000])
  })
})

describe("an endpoint that answers 410", () => {
  it("is believed at the second time if it has been answering 2xx: the delivery is tried again", async () => {
    const world = await createWorld()
    world.receivers.at(HOOK, 200, 410, 410)
    await registerHook(world, HOOK)
    await registerUser(world, "alice")
    await world.runDue()
    const eventId = await registerUser(world, "bob")
    await world.runDue()
    expect(await deliveryOf(world, eventId)).toMatchObject({
      status: "pending",
      reason: null,
      attempts: 1,
      nextAttemptAt: world.clock.now() + 5_000,
    })
    expect(await endpointState(world)).toMatchObject({ disabled_at: null, disabled_reason: null })
    await pass(world, 6_000)
    expect(await deliveryOf(world, eventId)).toMatchObject({ status: "failed", reason: "gone", attempts: 2 })
    expect(await endpointState(world)).toMatchObject({ disabled_reason: "gone" })
  })

  it("is believed when another event's attempt says it again", async () => {
    const world = await createWorld()
    world.receivers.at(HOOK, 200, 410, 410)
    await registerHook(world, HOOK)
    for (const username of ["alice", "bob", "carol"]) {
      await registerUser(world, username)
      await world.runDue()
    }
    await world.cron()
    await world.runDue()
    expect(await endpointState(world)).toMatchObject({ disabled_reason: "gone" })
  })

  it("is not believed for several at once, nor after a success in between", async () => {
    const world = await createWorld()
    world.receivers.at(HOOK, 200, 410, 410, 200, 410, 200)
    await registerHook(world, HOOK)
    await registerUser(world, "alice")
    await world.runDue()
    const ids = [await registerUser(world, "bob"), await registerUser(world, "carol")]
    await world.runDue(true)
    expect(await endpointState(world)).toMatchObject({ disabled_at: null })
    await pass(world, HOUR_MS)
    await registerUser(world, "dave")
    await pass(world, HOUR_MS)
    expect(await endpointState(world)).toMatchObject({ disabled_at: null, failing_since: null })
    for (const id of ids) expect(await deliveryOf(world, id)).toMatchObject({ status: "delivered" })
  })

  it("is disabled at once: the delivery failed as gone, waiting ones too, and it gets nothing more", async () => {
    const world = await createWorld()
    world.receivers.at(HOOK, 500, 410, 200)
    await registerHook(world, HOOK)
    const waiting = await registerUser(world, "alice")
    await world.runDue()
    const gone = await registerUser(world, "bob")
    await world.runDue()
    expect(await deliveryOf(world, gone)).toMatchObject({ status: "failed", reason: "gone", attempts: 1 })
    expect(await endpointState(world)).toMatchObject({
      disabled_reason: "gone",
      disabled_at: expect.any(Number),
    })
    await pass(world, DAY_MS)
    expect(await deliveryOf(world, waiting)).toMatchObject({ status: "failed", reason: "gone", attempts: 1 })
    await registerUser(world, "carol")
    await pass(world, DAY_MS)
    expect(world.receivers.received).toHaveLength(2)
  })

  it("starts afresh when it is registered again", async () => {
    const world = await createWorld()
    world.receivers.at(HOOK, 410, 200)
    await registerHook(world, HOOK)
    await registerUser(world, "alice")
    await world.runDue()
    await registerHook(world, HOOK)
    expect(await endpointState(world)).toEqual({
      disabled_at: null,
      disabled_reason: null,
      failing_since: null,
    })
    const eventId = await registerUser(world, "bob")
    await world.runAll()
    expect(await deliveryOf(world, eventId)).toMatchObject({ status: "delivered" })
  })
})

describe("an endpoint that only fails", () => {
  /** Fails every twelve hours, with a new event each time. */
  async function failFor(world: World, halfDays: number, from = 0): Promise<void> {
    for (let n = from; n < from + halfDays; n++) {
      await registerUser(world, `user-${n}`)
      await pass(world, 12 * HOUR_MS)
    }
  }

  it("is disabled after five days, with the reason, and its waiting deliveries end as disabled", async () => {
    const world = await createWorld()
    world.receivers.at(HOOK, 500)
    await registerHook(world, HOOK)
    const first = world.clock.now()
    await registerUser(world, "first")
    await world.runDue()
    expect((await endpointState(world))?.failing_since).toBe(first)
    await failFor(world, 9)
    expect(world.clock.now() - first).toBe(4.5 * DAY_MS)
    // Ten minutes apart: an endpoint that fails for long is left alone for five after each failure.
    await pass(world, 12 * HOUR_MS - 600_000)
    expect(await endpointState(world)).toMatchObject({
      disabled_at: null,
      disabled_reason: null,
      failing_since: first,
    })
    const last = await registerUser(world, "last")
    await pass(world, 600_000)
    expect(await endpointState(world)).toMatchObject({
      disabled_reason: "failing",
      disabled_at: first + 5 * DAY_MS,
    })
    await pass(world, 2 * DAY_MS)
    expect(await deliveryOf(world, last)).toMatchObject({ status: "failed", reason: "disabled" })
    const { results } = await world.env.DB.prepare("SELECT DISTINCT status, reason FROM deliveries").all()
    expect(results).not.toContainEqual(expect.objectContaining({ status: "pending" }))
    const arrived = world.receivers.received.length
    await registerUser(world, "after")
    await pass(world, DAY_MS)
    expect(world.receivers.received).toHaveLength(arrived)
  })

  it("is disabled by DISABLE_AFTER_SECONDS, but not by one long failure", async () => {
    const world = await createWorld({ DISABLE_AFTER_SECONDS: "60" })
    world.receivers.at(HOOK, 500)
    await registerHook(world, HOOK)
    await registerUser(world, "alice")
    await world.runDue()
    await pass(world, 5_000)
    expect(await endpointState(world)).toMatchObject({ disabled_reason: null })
    await pass(world, 301_000)
    expect(await endpointState(world)).toMatchObject({ disabled_reason: "failing" })
  })

  it("begins anew after one success in between", async () => {
    const world = await createWorld()
    world.receivers.at(HOOK, 500)
    await registerHook(world, HOOK)
    await registerUser(world, "first")
    await world.runDue()
    await failFor(world, 8)
    world.receivers.at(HOOK, 200)
    await registerUser(world, "lucky")
    await pass(world, HOUR_MS)
    expect(await endpointState(world)).toEqual({
      disabled_at: null,
      disabled_reason: null,
      failing_since: null,
    })
    world.receivers.at(HOOK, 500)
    const second = world.clock.now()
    await failFor(world, 9, 100)
    const state = await endpointState(world)
    expect(state?.failing_since).toBeGreaterThanOrEqual(second)
    expect(state?.disabled_at).toBeNull()
    await failFor(world, 4, 200)
    expect(await endpointState(world)).toMatchObject({ disabled_reason: "failing" })
  })

  it("is not disabled, nor saved, by pings", async () => {
    const world = await createWorld()
    world.pingsWork()
    await registerHook(world, HOOK)
    for (const answer of [500, 410, new Error("Network connection lost."), 503]) {
      world.receivers.at(HOOK, answer)
      for (let n = 0; n < 4; n++) {
        expect((await world.fetch("/ping", { method: "POST" })).status).toBe(200)
        await pass(world, 12 * HOUR_MS)
      }
    }
    expect(world.receivers.received).toHaveLength(16)
    expect(await endpointState(world)).toEqual({
      disabled_at: null,
      disabled_reason: null,
      failing_since: null,
    })

    world.receivers.at(HOOK, 500)
    const failing = world.clock.now()
    await registerUser(world, "alice")
    await world.runDue()
    world.receivers.at(HOOK, 200)
    await world.fetch("/ping", { method: "POST" })
    expect(await endpointState(world)).toMatchObject({ failing_since: failing })
  })
})

describe("a ping", () => {
  it("is attempted once and never again, whatever comes of it", async () => {
    const world = await createWorld()
    world.pingsWork()
    await registerHook(world, HOOK)
    world.receivers.at(HOOK, () => new Response(null, { status: 503, headers: { "retry-after": "1" } }))
    await world.fetch("/ping", { method: "POST" })
    for (let n = 0; n < 5; n++) await pass(world, 6 * HOUR_MS)
    expect(world.receivers.received).toHaveLength(1)
  })

  it("times out after 10 s, or sooner with a shorter ATTEMPT_TIMEOUT_MS", async () => {
    for (const [setting, timeoutMs] of [
      ["15000", 10_000],
      ["3000", 3_000],
    ] as const) {
      const world = await createWorld({ ATTEMPT_TIMEOUT_MS: setting })
      world.receivers.at(HOOK, "hang")
      await registerHook(world, HOOK)
      let working: Promise<unknown> | undefined
      world.clock.whileAsleep = async () => {
        working ??= world.runDue()
        await expect.poll(() => world.receivers.received.length, { interval: 1 }).toBe(1)
        const timers = world.clock.timers()
        world.clock.advance(500)
        if (world.clock.timers() < timers) await working
      }
      const started = world.clock.now()
      const answer = await world.fetch("/ping", { method: "POST" })
      await working
      const { failed_webhooks: failed } = await answer.json<{ failed_webhooks: { error: string }[] }>()
      expect(failed).toEqual([{ event: "user_registered", url: HOOK, error: "Timed out", status_code: null }])
      expect(world.clock.now() - started).toBeGreaterThanOrEqual(timeoutMs)
      expect(world.clock.now() - started).toBeLessThanOrEqual(timeoutMs + 1_500)
    }
  })
})
