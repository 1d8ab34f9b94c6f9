import { describe, expect, it, vi } from "vitest"
import manifest from "../../package.json"
import { attempt } from "../../src/engine/pipeline/attempt.ts"
import type { Deps } from "../../src/platform/deps.ts"
import { attemptAt, ENDPOINT, EVENT, HOOK } from "../support/attempt.ts"
import { registerHook, registerUser, SECRET } from "../support/make.ts"
import { verify } from "../support/receiver.ts"
import { createWorld } from "../support/world.ts"

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
