import { beforeEach, describe, expect, it } from "vitest"
import { ALL, failure, pinging } from "../support/ping.ts"
import { createWorld, type World } from "../support/world.ts"

const A = "http://a.example/hook"

const B = "http://b.example/hook"

let world: World

beforeEach(async () => {
  world = await createWorld()
  world.pingsWork()
})

const { ping, pinged, register, workInBackground } = pinging(() => world)

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
