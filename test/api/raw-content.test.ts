import { messageInRaw, type Svix } from "svix"
import { beforeEach, describe, expect, it } from "vitest"

import { verify } from "../support/receiver.ts"
import { createWorld, type World } from "../support/world.ts"
import { callApi, svixFor } from "./svix.ts"

const HOOK = "http://receiver.example/hook"
const MAX_BYTES = 256 * 1024
const FULL = { withContent: true }

let world: World
let svix: Svix

beforeEach(async () => {
  world = await createWorld({ RETRY_SCHEDULE: "5" })
  svix = svixFor(world)
  await svix.application.create({ name: "Acme", uid: "acme" })
  await svix.endpoint.create("acme", { url: HOOK, uid: "hook" })
})

const last = () => world.receivers.to(HOOK).at(-1)

/** What the API answers to a message with these parameters. */
function send(transformationsParams: unknown, message: object = {}) {
  return callApi(world, "/api/v1/app/acme/msg?with_content=true", {
    json: { eventType: "t", payload: {}, ...message, transformationsParams },
  })
}

describe("a text sent as it is", () => {
  it.each([
    ["XML", '<a b="c">ü\r\n\t</a>'],
    ["JSON with its own spaces and numbers", '{ "z": 1e400, "a": 9007199254740993 , "a": 1.50 }'],
    ["a list", "[1, 2]"],
    ["nothing", ""],
    ["a NUL and what is behind it", "before\0after"],
    ["control characters and emoji", "\u0001\u001f 🐎"],
  ])("arrives byte for byte, signed: %s", async (_, text) => {
    const { key } = await svix.endpoint.getSecret("acme", "hook")
    await svix.message.create("acme", messageInRaw("t", text, "application/octet-stream"))
    await world.runDue()
    expect(world.receivers.to(HOOK)).toHaveLength(1)
    expect(last()?.body).toBe(text)
    const stored = await world.customersDB.prepare("SELECT hex(payload) AS hex FROM events").first<{
      hex: string
    }>()
    const bytes = Array.from(new TextEncoder().encode(text), (byte) => byte.toString(16).padStart(2, "0"))
    expect(stored?.hex.toLowerCase()).toBe(bytes.join(""))
    expect(() => verify(key, last())).not.toThrow(/signature/i)
  })

  it("arrives again as it was when it is retried, resent and recovered", async () => {
    world.receivers.at(HOOK, 500, 500, 200)
    const { id } = await svix.message.create("acme", messageInRaw("t", "<a/>", "text/xml"))
    await world.runAllWithSweeps(60_000)
    await svix.messageAttempt.resend("acme", id, "hook")
    await world.runDue()
    const arrived = world.receivers.to(HOOK).map(({ body, headers }) => [body, headers["content-type"]])
    expect(arrived).toEqual([
      ["<a/>", "text/xml"],
      ["<a/>", "text/xml"],
      ["<a/>", "text/xml"],
    ])
  })

  it("is JSON to the receiver if nothing else is said, and a null says nothing", async () => {
    await send({ rawPayload: "{}" })
    await send({ rawPayload: "{}", headers: null })
    await send(null, { payload: { n: 1 } })
    await send({ rawPayload: null }, { payload: { n: 2 } })
    await world.runDue()
    expect(world.receivers.to(HOOK).map(({ body, headers }) => [body, headers["content-type"]])).toEqual([
      ["{}", "application/json"],
      ["{}", "application/json"],
      ['{"n":1}', "application/json"],
      ['{"n":2}', "application/json"],
    ])
  })

  it.each(["content-type", "Content-Type", "CONTENT-TYPE"])("names its type in %s", async (name) => {
    await send({ rawPayload: "a=1", headers: { [name]: "application/x-www-form-urlencoded; charset=utf-8" } })
    await world.runDue()
    expect(last()?.headers["content-type"]).toBe("application/x-www-form-urlencoded; charset=utf-8")
  })

  it("may have its type set although the payload is JSON", async () => {
    await send({ headers: { "content-type": "application/cloudevents+json" } }, { payload: { n: 1 } })
    await world.runDue()
    expect([last()?.body, last()?.headers["content-type"]]).toEqual([
      '{"n":1}',
      "application/cloudevents+json",
    ])
  })

  it("takes the place of a payload that is given too", async () => {
    await send({ rawPayload: "raw" }, { payload: { n: 1 } })
    await world.runDue()
    expect(last()?.body).toBe("raw")
  })

  it.each<[string, unknown, string[]]>([
    ["a list for a text", { rawPayload: [1] }, ["rawPayload"]],
    ["an object for a text", { rawPayload: {} }, ["rawPayload"]],
    [
      "a type with a line break",
      { headers: { "content-type": "text/plain\r\nx-evil: 1" } },
      ["headers", "content-type"],
    ],
    ["a type that is none", { headers: { "content-type": "text" } }, ["headers", "content-type"]],
    ["an empty type", { headers: { "content-type": "" } }, ["headers", "content-type"]],
    [
      "a type that is too long",
      { headers: { "content-type": `text/${"x".repeat(300)}` } },
      ["headers", "content-type"],
    ],
    [
      "two types",
      { headers: { "content-type": "text/a", "Content-Type": "text/b" } },
      ["headers", "Content-Type"],
    ],
    ["another header", { headers: { "x-mine": "1" } }, ["headers", "x-mine"]],
    [
      "a name that only looks like it",
      { headers: { "content-t\u0443pe": "text/a" } },
      ["headers", "content-t\u0443pe"],
    ],
    ["no object", "raw", []],
  ])("is refused, with nothing written, for %s", async (_, params, loc) => {
    const response = await send(params)
    expect([response.status, await response.json()]).toMatchObject([
      422,
      { detail: [{ loc: ["body", "transformationsParams", ...loc] }] },
    ])
    expect((await svix.message.list("acme")).data).toEqual([])
    expect((await svix.eventType.list()).data).toEqual([])
  })

  it("ignores what is meant for transformations, which there are none of", async () => {
    expect((await send({ rawPayload: "raw", anything: { for: "them" } })).status).toBe(202)
  })

  it("is bounded in the bytes that are delivered, however they are spelled in the request", async () => {
    const body = (text: string) =>
      `{"eventType":"t","payload":{},"transformationsParams":{"rawPayload":"${text}"}}`
    const post = (text: string) =>
      callApi(world, "/api/v1/app/acme/msg", {
        method: "POST",
        body: body(text),
        headers: { "content-type": "application/json" },
      })
    expect((await post("\\u003c".repeat(MAX_BYTES))).status).toBe(202)
    expect((await post("\\u003c".repeat(MAX_BYTES + 1))).status).toBe(413)
    expect((await post("ü".repeat(MAX_BYTES / 2 + 1))).status).toBe(413)
    await world.runDue()
    expect(world.receivers.to(HOOK).map(({ body }) => body)).toEqual(["<".repeat(MAX_BYTES)])
  })

  it("is shown where it is a JSON object, and as the empty payload it was sent with where it is not", async () => {
    const shown = async (text: string) => {
      const sent = await svix.message.create("acme", messageInRaw("t", text), FULL)
      const found = [
        sent.payload,
        (await svix.message.get("acme", sent.id, FULL)).payload,
        (await svix.message.list("acme", { ...FULL, limit: 1 })).data[0]?.payload,
      ]
      await world.runDue()
      const [attempted] = (await svix.messageAttempt.listAttemptedMessages("acme", "hook", FULL)).data
      return [...found, attempted?.payload]
    }
    for (const text of ["<a/>", "", "[1]", "null", '"text"', "{"]) {
      expect([text, await shown(text)]).toEqual([text, [{}, {}, {}, {}]])
      world.clock.advance(1000)
    }
    const object = { a: [1] }
    expect(await shown(JSON.stringify(object))).toEqual([object, object, object, object])
  })

  it("is forgotten like any payload", async () => {
    const { id } = await svix.message.create("acme", messageInRaw("t", "<a/>"))
    await svix.message.expungeContent("acme", id)
    expect((await svix.message.get("acme", id, FULL)).payload).toEqual({ expired: true })
    await world.runDue()
    expect(world.receivers.to(HOOK)).toEqual([])
  })

  it("is held against the schema of its type where that is enforced", async () => {
    const schemas = { 1: { type: "object", required: ["email"] } }
    await callApi(world, "/api/v1/event-type", {
      json: { name: "strict", description: "", schemas, enforceSchema: true },
    })
    const status = async (rawPayload: string) => (await send({ rawPayload }, { eventType: "strict" })).status
    expect(await status('{"email": 1}')).toBe(202)
    expect(await status("{}")).toBe(422)
    expect(await status("[]")).toBe(422)
    expect(await status("")).toBe(422)
    const refused = await send({ rawPayload: "<a/>" }, { eventType: "strict", payload: { email: 1 } })
    expect(refused.status).toBe(422)
    expect(await refused.text()).toContain("It is not JSON")
  })

  it("is the same message again under the same Idempotency-Key", async () => {
    const raw = () => svix.message.create("acme", messageInRaw("t", "<a/>"), { idempotencyKey: "k" })
    expect(await raw()).toEqual(await raw())
    await world.runDue()
    expect(world.receivers.to(HOOK).map(({ body }) => body)).toEqual(["<a/>"])
  })
})
