import { beforeEach, describe, expect, it, vi } from "vitest"

import { rawMember, rawMembers, verbatim, writeJson } from "../../src/http/raw-json.ts"
import { customersDB } from "../support/shards.ts"
import { EVENT_TYPE_ID, filePart, HOOK, multipart, send } from "../support/uploads.ts"
import { createWorld, type World } from "../support/world.ts"

/** What a JavaScript number, an object's order of keys, or a rebuilt object would change. */
const RAW = String.raw`{ "big":9007199254740993, "huge":1e400, "money":1.50, "neg":-0, "z":{"b":1,"10":2,"9":3},
  "escaped":"\u00e9\/", "__proto__":{"x":1}, "constructor":[ ], "twice":1, "twice":2 }`

let world: World

beforeEach(async () => {
  world = await createWorld()
})

const post = (path: string, body: string, headers: Record<string, string> = {}) =>
  world.fetch(path, { method: "POST", body, headers: { "content-type": "application/json", ...headers } })

/** Sends the request while the queues run: its answer waits for receivers. */
function posting(path: string, body: string) {
  world.pingsWork()
  return post(path, body)
}

async function delivered(): Promise<string[]> {
  await world.runAll()
  return world.receivers.to(HOOK).map(({ body }) => body)
}

describe("a body of JSON", () => {
  it.each(["application/json", "application/vnd.own+json; charset=utf-8", ""])(
    "is parsed once, whoever asks for it, when it is sent as %j",
    async (type) => {
      const body = '{"username":"parsed-once"}'
      const parse = vi.spyOn(JSON, "parse")
      try {
        expect((await post("/users", body, { "content-type": type })).status).toBe(200)
        expect(parse.mock.calls.filter(([text]) => text === body)).toHaveLength(1)
      } finally {
        parse.mockRestore()
      }
    },
  )
})

describe("a payload reaches its receiver byte for byte", () => {
  it("by POST /events", async () => {
    await world.fetch("/register", { json: { event: "myEvent", url: HOOK } })
    expect((await post("/events", `{"data":1,"data" : ${RAW} ,"event":"myEvent"}`)).status).toBe(202)
    expect(await delivered()).toEqual([`{"event":"myEvent","data":${RAW}}`])
  })

  it("by POST /ping", async () => {
    await world.fetch("/register", { json: { event: "myEvent", url: HOOK } })
    expect((await posting("/ping", ` ${RAW}\n`)).status).toBe(200)
    expect(await delivered()).toEqual([`{"event":"myEvent","data":${RAW}}`])
  })

  it.each(['{"__proto__":{"x":1}}', '{"__proto__":null}'])(
    "by POST /ping, where no key is lost: %s",
    async (body) => {
      await world.fetch("/register", { json: { event: "myEvent", url: HOOK } })
      await posting("/ping", body)
      expect(await delivered()).toEqual([`{"event":"myEvent","data":${body}}`])
    },
  )

  it("by the custom payload of an upload, whose keys win where they stand", async () => {
    const own = String.raw`"big":9007199254740993,"huge":1e400,"__proto__":{"x":1},"a":"\u00e9","10":1,"9":2`
    const registered = await post(
      "/webhook/register",
      `{"event_type_id":"${EVENT_TYPE_ID}","user_id":1,"url":"${HOOK}","custom_payload":{ ${own} , "event" : 1.0 }}`,
    )
    const { data } = await registered.json<{ data: { id: string } }>()
    await send(world, data.id, multipart([filePart("hello")]))
    const [body = ""] = await delivered()
    expect(body).toMatch(/^\{"event" ?:1\.0,"data":\{/)
    expect(body.endsWith(`,${own}}`)).toBe(true)
  })

  it("by POST /api/v1/app/{app_id}/msg", async () => {
    await world.fetch("/api/v1/app", { json: { name: "Acme", uid: "acme" } })
    await world.fetch("/api/v1/app/acme/endpoint", { json: { url: HOOK } })
    await post("/api/v1/app/acme/msg", `{"eventType":"t","payload":${RAW}}`)
    expect(await delivered()).toEqual([RAW])
  })
})

describe("a payload is read back as it is stored", () => {
  const path = "/api/v1/app/acme/msg"
  const request = `{"eventType":"t","eventId":"first","payload":${RAW}}`
  let endpoint: string

  beforeEach(async () => {
    await world.fetch("/api/v1/app", { json: { name: "Acme", uid: "acme" } })
    const made = await world.fetch("/api/v1/app/acme/endpoint", { json: { url: HOOK } })
    endpoint = (await made.json<{ id: string }>()).id
  })

  it("in the answer that takes it, and in its repetition under the same key", async () => {
    const first = await (await post(path, request, { "idempotency-key": "k" })).text()
    expect(rawMember(first, "payload")).toBe(RAW)
    expect(await (await post(path, request, { "idempotency-key": "k" })).text()).toBe(first)
  })

  it.each([
    ["alone", () => `${path}/first`, (text: string) => text],
    ["in the list", () => path, firstOfList],
    ["in the list of an endpoint", () => `/api/v1/app/acme/endpoint/${endpoint}/msg`, firstOfList],
  ])("%s", async (_, at, messageIn) => {
    await post(path, request)
    await world.runAll()
    const response = await world.fetch(at())
    expect(response.headers.get("content-type")).toBe("application/json")
    expect(rawMember(messageIn(await response.text()), "payload")).toBe(RAW)
  })

  it("once it is deleted no more, whatever the key", async () => {
    await post(path, request, { "idempotency-key": "k" })
    await world.fetch(`${path}/first/content`, { method: "DELETE" })
    const repeated = await (await post(path, request, { "idempotency-key": "k" })).json()
    expect(repeated).toMatchObject({ payload: { expired: true } })
  })

  it("as an example that was sent", async () => {
    const schemas = { "1": { type: "object", example: { z: 1, "10": 2, __proto: 3 } } }
    await world.fetch("/api/v1/event-type", { json: { name: "made", description: "", schemas } })
    const example = await post(`/api/v1/app/acme/endpoint/${endpoint}/send-example`, '{"eventType":"made"}', {
      "idempotency-key": "k",
    })
    const stored = await customersDB
      .prepare("SELECT payload FROM events WHERE event_type = 'made'")
      .first("payload")
    expect(rawMember(await example.text(), "payload")).toBe(stored)
  })
})

describe("what a pinged receiver answers", () => {
  it("is shown as it came", async () => {
    await world.fetch("/webhook", { json: { event: "user_registered", url: HOOK } })
    world.receivers.at(HOOK, new Response(RAW))
    const text = await (await posting("/ping", "")).text()
    const result = firstOf(rawMember(text, "successful_webhooks") ?? "")
    expect(rawMember(result, "payload_response")).toBe(RAW)
    expect(rawMember(result, "payload")).toBe(RAW)
  })
})

describe("JSON that is written with texts in it", () => {
  it.each<[unknown, string]>([
    [verbatim("1e400"), "1e400"],
    [{ a: verbatim("[ 1.0 ]"), b: [verbatim("{}"), "x", verbatim('"y"')] }, '{"a":[ 1.0 ],"b":[{},"x","y"]}'],
    [{ 'a"b': verbatim("$&"), c: "$&" }, '{"a\\"b":$&,"c":"$&"}'],
    [{ a: undefined, b: null }, '{"b":null}'],
  ])("has them as they are: %#", (value, text) => {
    expect(writeJson(value)).toBe(text)
  })
})

describe("the members of an object", () => {
  it("are each one as it stands, in order, repeated ones too", () => {
    expect([...rawMembers(String.raw` {"a" : 1.0 ,"\u0061":[{"}":"]"}], "b":"x\"," } `)]).toEqual([
      { name: "a", key: '"a"', value: "1.0" },
      { name: "a", key: String.raw`"\u0061"`, value: '[{"}":"]"}]' },
      { name: "b", key: '"b"', value: String.raw`"x\","` },
    ])
  })
})

/** The first message of a list answer, as it stands. */
function firstOfList(text: string): string {
  return firstOf(rawMember(text, "data") ?? "")
}

/** The first element of a JSON list, as it stands: read as the first member of an object. */
function firstOf(list: string): string {
  return rawMember(`{"":${list.trim().slice(1, -1)}}`, "") ?? ""
}

describe.each(["__proto__", "constructor", "toString", "hasOwnProperty"])("the key %s is kept", (key) => {
  const withKey = (value: string) => JSON.parse(`{${JSON.stringify(key)}:${value},"other":${value}}`)

  beforeEach(async () => {
    await world.fetch("/api/v1/app", { json: { name: "Acme", uid: "acme" } })
  })

  it.each([
    ["POST", "/api/v1/app", { name: "Other" }],
    ["PUT", "/api/v1/app/acme", { name: "Acme" }],
    ["PATCH", "/api/v1/app/acme", {}],
    ["POST", "/api/v1/app/acme/endpoint", { url: HOOK }],
  ])("in metadata, by %s %s", async (method, path, json) => {
    const metadata = withKey('"x"')
    const made = await (await world.fetch(path, { method, json: { ...json, metadata } })).json<{
      id: string
    }>()
    expect(JSON.stringify(made)).toContain(JSON.stringify(metadata))
    const read = await (await world.fetch(method === "POST" ? `${path}/${made.id}` : path)).text()
    expect(read).toContain(JSON.stringify(metadata))
  })

  it("in an event type's schemas", async () => {
    const schemas = JSON.parse(`{"1":${JSON.stringify({ type: "object", properties: withKey("{}") })}}`)
    await world.fetch("/api/v1/event-type", { json: { name: "t", description: "", schemas } })
    const read = await (await world.fetch("/api/v1/event-type/t")).text()
    expect(rawMember(read, "schemas")).toBe(JSON.stringify(schemas))
  })

  it("in headers, of the management API and of C", async () => {
    const headers = withKey('"x"')
    await world.fetch("/api/v1/app/acme/endpoint", { json: { url: `${HOOK}/1`, headers } })
    const put = { uid: "put", url: `${HOOK}/2` }
    await world.fetch("/api/v1/app/acme/endpoint", { json: put })
    await world.fetch("/api/v1/app/acme/endpoint/put/headers", { method: "PUT", json: { headers } })
    const patched = { uid: "patched", url: `${HOOK}/3` }
    await world.fetch("/api/v1/app/acme/endpoint", { json: patched })
    await world.fetch("/api/v1/app/acme/endpoint/patched/headers", { method: "PATCH", json: { headers } })
    await post("/api/v1/app/acme/msg", '{"eventType":"t","payload":{}}')
    const registration = {
      event_type_id: EVENT_TYPE_ID,
      user_id: 1,
      url: `${HOOK}/4`,
      custom_headers: headers,
    }
    const registered = await world.fetch("/webhook/register", { json: registration })
    const { data } = await registered.json<{ data: { id: string } }>()
    await send(world, data.id, multipart([filePart("hello")]))
    await world.runAll()
    for (const n of [1, 2, 3, 4]) {
      const [delivery] = world.receivers.to(`${HOOK}/${n}`)
      expect(Object.entries(delivery?.headers ?? {})).toContainEqual([key.toLowerCase(), "x"])
    }
  })
})

describe("what does not fit under a key", () => {
  it.each([
    ["/api/v1/app", '{"name":"A","metadata":{"__proto__":1}}', ["metadata", "__proto__"]],
    ["/api/v1/app/acme/endpoint", `{"url":"${HOOK}","headers":{"__proto__":1}}`, ["headers", "__proto__"]],
    ["/api/v1/app/acme/endpoint", `{"url":"${HOOK}","headers":[]}`, ["headers"]],
    [
      "/api/v1/event-type",
      '{"name":"t","description":"","schemas":{"__proto__":1}}',
      ["schemas", "__proto__"],
    ],
  ])("is named: POST %s %s", async (path, body, loc) => {
    await world.fetch("/api/v1/app", { json: { name: "Acme", uid: "acme" } })
    const response = await post(path, body)
    expect(response.status).toBe(422)
    const { detail } = await response.json<{ detail: { loc: string[] }[] }>()
    expect(detail.map((issue) => issue.loc)).toEqual([["body", ...loc]])
  })
})
