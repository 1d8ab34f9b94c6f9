import type { Svix } from "svix"
import { beforeEach, describe, expect, it } from "vitest"

import { createWorld, type World } from "../support/world.ts"
import { callApi, svixFor } from "./svix.ts"

const HOOK = "http://receiver.example/hook"

let world: World
let svix: Svix

beforeEach(async () => {
  world = await createWorld()
  svix = svixFor(world)
  await svix.application.create({ name: "Acme", uid: "acme" })
  for (const name of ["wanted", "unwanted"]) await svix.eventType.create({ name, description: "" })
})

async function call(method: string, path: string, json: unknown) {
  const response = await callApi(world, `/api/v1${path}`, { method, json })
  return { status: response.status, body: await response.json<Record<string, unknown>>() }
}

const make = (endpoint: object = {}) =>
  call("POST", "/app/acme/endpoint", { url: HOOK, uid: "hook", ...endpoint })
const refusedAt = (...loc: string[]) => ({
  status: 422,
  body: { detail: [{ loc: ["body", ...loc], msg: expect.any(String), type: "custom" }] },
})

async function received(): Promise<string[]> {
  for (const eventType of ["wanted", "unwanted"])
    await svix.message.create("acme", { eventType, payload: { eventType } })
  await world.runDue()
  return world.receivers
    .to(HOOK)
    .map(({ json }) => (json as { eventType: string }).eventType)
    .toSorted()
}

describe("an endpoint under the names of version 1", () => {
  it("made with filterTypes gets these alone, and both names are answered", async () => {
    expect(await make({ filterTypes: ["wanted"], rateLimit: 7, version: 3 })).toMatchObject({
      status: 201,
      body: {
        eventTypes: ["wanted"],
        filterTypes: ["wanted"],
        throttleRate: 7,
        rateLimit: 7,
        version: 3,
      },
    })
    expect(await received()).toEqual(["wanted"])
  })

  it("replaced with filterTypes gets these alone, and what is left out is as at first", async () => {
    await make({ version: 3, rateLimit: 7 })
    const replaced = await call("PUT", "/app/acme/endpoint/hook", { url: HOOK, filterTypes: ["wanted"] })
    expect(replaced).toMatchObject({
      status: 200,
      body: { filterTypes: ["wanted"], rateLimit: null, version: 1 },
    })
    expect(await received()).toEqual(["wanted"])
  })

  it("changed with filterTypes gets these alone, and what is left out stays", async () => {
    await make({ version: 3, rateLimit: 7 })
    const changed = await call("PATCH", "/app/acme/endpoint/hook", { filterTypes: ["wanted"] })
    expect(changed).toMatchObject({ status: 200, body: { eventTypes: ["wanted"], rateLimit: 7, version: 3 } })
    expect(await received()).toEqual(["wanted"])
  })

  it("is cleared by null in a change, and by null or nothing otherwise", async () => {
    await make({ filterTypes: ["wanted"], rateLimit: 7 })
    const change = { filterTypes: null, rateLimit: null, version: 2 }
    expect((await call("PATCH", "/app/acme/endpoint/hook", change)).body).toMatchObject({
      eventTypes: null,
      filterTypes: null,
      throttleRate: null,
      rateLimit: null,
      version: 2,
    })
    const replacement = {
      url: HOOK,
      filterTypes: null,
      eventTypes: ["wanted"],
      throttleRate: null,
      rateLimit: 5,
    }
    expect((await call("PUT", "/app/acme/endpoint/hook", replacement)).body).toMatchObject({
      eventTypes: ["wanted"],
      throttleRate: 5,
    })
  })

  it("may say the same under both names, as clients do that send back what they were answered", async () => {
    const { body } = await make({ eventTypes: ["wanted"], throttleRate: 7 })
    const { id: _, createdAt: __, updatedAt: ___, ...settings } = body
    expect(await call("PUT", "/app/acme/endpoint/hook", settings)).toMatchObject({
      status: 200,
      body: settings,
    })
    expect(await call("PATCH", "/app/acme/endpoint/hook", settings)).toMatchObject({
      status: 200,
      body: settings,
    })
  })

  it.each<[string, object]>([
    ["filterTypes", { filterTypes: ["wanted"], eventTypes: ["unwanted"] }],
    ["rateLimit", { rateLimit: 1, throttleRate: 2 }],
  ])("may not say something else under %s than under the newer name", async (alias, both) => {
    expect(await make(both)).toEqual(refusedAt(alias))
    expect((await svix.endpoint.list("acme")).data).toEqual([])
    await make()
    expect(await call("PUT", "/app/acme/endpoint/hook", { url: HOOK, ...both })).toEqual(refusedAt(alias))
    expect(await call("PATCH", "/app/acme/endpoint/hook", both)).toEqual(refusedAt(alias))
  })

  it("may not be cleared under one name and set under the other in one change", async () => {
    await make({ rateLimit: 7 })
    const both = { rateLimit: null, throttleRate: 5 }
    expect(await call("PATCH", "/app/acme/endpoint/hook", both)).toEqual(refusedAt("rateLimit"))
  })

  it.each([0, -1, 1.5, 65_536, "1"])("refuses the version %j", async (version) => {
    expect((await make({ version })).status).toBe(422)
    await make()
    expect((await call("PUT", "/app/acme/endpoint/hook", { url: HOOK, version })).status).toBe(422)
    expect((await call("PATCH", "/app/acme/endpoint/hook", { version })).status).toBe(422)
  })

  it("has the version 1 if nothing is said, everywhere an endpoint is shown", async () => {
    const registered = await callApi(world, "/webhook", { json: { event: "user_registered", url: HOOK } })
    const { endpoint_id: id } = await registered.json<{ endpoint_id: string }>()
    const shown = { version: 1, filterTypes: ["user_registered"], eventTypes: ["user_registered"] }
    expect((await call("GET", `/app/users/endpoint/${id}`, undefined)).body).toMatchObject(shown)
    expect((await call("GET", "/app/users/endpoint", undefined)).body).toMatchObject({ data: [shown] })
    await make({ version: 4, filterTypes: ["wanted"], rateLimit: 9 })
    const { id: message } = await svix.message.create("acme", { eventType: "wanted", payload: {} })
    await world.runAll(10_000)
    expect((await call("GET", `/app/acme/msg/${message}/endpoint`, undefined)).body).toMatchObject({
      data: [{ version: 4, filterTypes: ["wanted"], rateLimit: 9, throttleRate: 9 }],
    })
  })
})

describe("an application under the names of version 1", () => {
  it("takes rateLimit wherever it is given, and answers both names", async () => {
    const limited = (limit: number | null) => ({ rateLimit: limit, throttleRate: limit })
    expect((await call("POST", "/app", { name: "A", uid: "a", rateLimit: 3 })).body).toMatchObject(limited(3))
    expect((await call("PUT", "/app/a", { name: "A", rateLimit: 4 })).body).toMatchObject(limited(4))
    expect((await call("PATCH", "/app/a", { rateLimit: 5 })).body).toMatchObject(limited(5))
    expect((await call("PATCH", "/app/a", { name: "B" })).body).toMatchObject(limited(5))
    expect((await call("GET", "/app/a", undefined)).body).toMatchObject(limited(5))
    expect((await call("PATCH", "/app/a", { rateLimit: null })).body).toMatchObject(limited(null))
    await call("POST", "/app/b/msg", {
      eventType: "wanted",
      payload: {},
      application: { name: "B", uid: "b", rateLimit: 6 },
    })
    expect((await call("GET", "/app/b", undefined)).body).toMatchObject(limited(6))
  })

  it("may not say something else under both names, nor where a message brings it along", async () => {
    const both = { name: "A", uid: "a", rateLimit: 3, throttleRate: 4 }
    expect(await call("POST", "/app", both)).toEqual(refusedAt("rateLimit"))
    expect(await call("PUT", "/app/a", both)).toEqual(refusedAt("rateLimit"))
    expect(await call("PATCH", "/app/acme", both)).toEqual(refusedAt("rateLimit"))
    const message = { eventType: "wanted", payload: {}, application: both }
    expect(await call("POST", "/app/a/msg", message)).toEqual(refusedAt("application", "rateLimit"))
    const access = { application: both }
    expect(await call("POST", "/auth/app-portal-access/a", access)).toEqual(
      refusedAt("application", "rateLimit"),
    )
    expect((await svix.application.list()).data.map(({ uid }) => uid)).not.toContain("a")
  })
})

describe("a message under the names of version 1", () => {
  it("takes data for payload, and delivers it byte for byte", async () => {
    await make()
    const send = (body: string) =>
      callApi(world, "/api/v1/app/acme/msg?with_content=true", {
        method: "POST",
        body,
        headers: { "content-type": "application/json" },
      })
    const first = await send('{"eventType":"wanted","data":{ "n": 1.50 , "big":9007199254740993 }}')
    expect(first.status).toBe(202)
    expect((await send('{"eventType":"wanted","payload":null,"data":{"n":2}}')).status).toBe(202)
    expect((await send('{"eventType":"wanted","payload":{"n":3},"data":{"n":3}}')).status).toBe(202)
    await world.runDue()
    expect(world.receivers.to(HOOK).map(({ body }) => body)).toEqual([
      '{ "n": 1.50 , "big":9007199254740993 }',
      '{"n":2}',
      '{"n":3}',
    ])
  })

  it("may not have another payload under data, nor none under either name", async () => {
    const both = { eventType: "wanted", payload: { n: 1 }, data: { n: 2 } }
    expect(await call("POST", "/app/acme/msg", both)).toEqual(refusedAt("data"))
    expect((await call("POST", "/app/acme/msg", { eventType: "wanted", data: "text" })).status).toBe(422)
    expect((await call("POST", "/app/acme/msg", { eventType: "wanted", data: null })).status).toBe(422)
  })
})

describe("what is not supported", () => {
  const query = (path: string) => callApi(world, `/api/v1${path}`)

  it.each<[string, string, string, unknown, object]>([
    ["deliverAt", "POST", "/app/acme/msg", "2026-12-01T00:00:00Z", { eventType: "wanted", payload: {} }],
    ["tags", "POST", "/app/acme/msg", ["vip"], { eventType: "wanted", payload: {} }],
    ["payloadRetentionHours", "POST", "/app/acme/msg", 1, { eventType: "wanted", payload: {} }],
    ["sessionIds", "POST", "/auth/app-portal-access/acme", ["s1"], {}],
    ["featureFlags", "POST", "/event-type", ["beta"], { name: "new", description: "" }],
    ["featureFlags", "PUT", "/event-type/new", ["beta"], { description: "" }],
    ["featureFlags", "PATCH", "/event-type/wanted", ["beta"], {}],
    ["secret", "PUT", "/app/acme/endpoint/hook", "whsec_x", { url: HOOK }],
    ["headers", "PUT", "/app/acme/endpoint/hook", { "x-mine": "1" }, { url: HOOK }],
    ["secret", "PATCH", "/app/acme/endpoint/hook", "whsec_x", {}],
    ["headers", "PATCH", "/app/acme/endpoint/hook", {}, {}],
    ["exampleIndex", "POST", "/app/acme/endpoint/hook/send-example", 1, { eventType: "svix.ping" }],
  ])(
    "is refused by name, and null is as good as nothing: %s in %s %s",
    async (field, method, path, value, rest) => {
      await make()
      const refused = await call(method, path, { ...rest, [field]: value })
      expect(refused).toEqual(refusedAt(field))
      expect(JSON.stringify(refused.body)).toContain("not supported: leave it out")
      expect((await svix.message.list("acme")).data).toEqual([])
      expect((await call(method, path, { ...rest, [field]: null })).status).toBeLessThan(300)
    },
  )

  it.each<[string, unknown, string, object]>([
    ["tags", [], "/app/acme/msg", { eventType: "wanted", payload: {} }],
    ["featureFlags", [], "/event-type", { name: "new", description: "" }],
    ["exampleIndex", 0, "/app/acme/endpoint/hook/send-example", { eventType: "svix.ping" }],
  ])("is taken where it asks for nothing: %s %j", async (field, value, path, rest) => {
    await make()
    expect((await call("POST", path, { ...rest, [field]: value })).status).toBeLessThan(300)
  })

  it.each([
    "/app/acme/msg?tag=vip",
    "/app/acme/msg?tag=",
    "/app/acme/attempt/endpoint/hook?tag=vip",
    "/app/acme/attempt/msg/m1?tag=vip",
    "/app/acme/endpoint/hook/msg?tag=vip",
    "/app/acme/attempt/endpoint/hook?with_msg=true",
    "/app?exclude_apps_with_no_endpoints=true",
    "/app?exclude_apps_with_disabled_endpoints=true",
  ])("is refused in a query: %s", async (path) => {
    await make()
    await svix.message.create("acme", { eventType: "wanted", eventId: "m1", payload: {} })
    const [, name = ""] = /\?(\w+)=/.exec(path) ?? []
    const response = await query(path)
    expect([response.status, await response.json()]).toEqual([
      422,
      { detail: [{ loc: ["query", name], msg: expect.stringContaining("not supported"), type: "custom" }] },
    ])
    expect((await query(path.replace(/\?.*/, ""))).status).toBe(200)
  })

  it("does not stand for what nobody knows: that is ignored", async () => {
    const unknown = { anything: 1, groupName: "users", rateLimits: 3 }
    expect((await make(unknown)).status).toBe(201)
    expect(
      (await call("POST", "/app/acme/msg", { eventType: "wanted", payload: {}, ...unknown })).status,
    ).toBe(202)
    expect((await query("/app/acme/msg?anything=1&expanded_statuses=true")).status).toBe(200)
  })
})
