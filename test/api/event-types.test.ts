import { Ordering, type Svix } from "svix"
import { beforeEach, describe, expect, it } from "vitest"

import { createWorld, type World } from "../support/world.ts"
import { absent, conflict, readAll, refusalOf, unfit } from "./refusal.ts"
import { callApi, svixFor } from "./svix.ts"

const HOOK = "http://receiver.example/hook"
const SCHEMAS = { "1": { type: "object", required: ["id"], properties: { id: { type: "string" } } } }

let world: World
let svix: Svix

beforeEach(async () => {
  world = await createWorld()
  svix = svixFor(world)
})

const make = (name: string) => svix.eventType.create({ name, description: `About ${name}` })
const names = (types: readonly { name: string }[]) => types.map(({ name }) => name)

describe("creating an event type", () => {
  it("answers 201 and the type with its schemas", async () => {
    const response = await callApi(world, "/api/v1/event-type", {
      json: {
        name: "user.signup",
        description: "Somebody signed up",
        deprecated: true,
        schemas: SCHEMAS,
        featureFlag: "beta",
        enforceSchema: true,
      },
    })
    expect(response.status).toBe(201)
    const now = new Date(world.clock.now()).toISOString()
    const expected = {
      name: "user.signup",
      description: "Somebody signed up",
      archived: false,
      deprecated: true,
      schemas: SCHEMAS,
      featureFlag: "beta",
      enforceSchema: true,
      createdAt: now,
      updatedAt: now,
    }
    expect(await response.json()).toEqual(expected)
    expect(await (await callApi(world, "/api/v1/event-type/user.signup")).json()).toEqual(expected)
  })

  it("needs no more than a name and a description", async () => {
    await make("user.signup")
    expect(await (await callApi(world, "/api/v1/event-type/user.signup")).json()).toMatchObject({
      archived: false,
      deprecated: false,
      schemas: null,
      featureFlag: null,
      enforceSchema: false,
    })
  })

  it.each<[string[], object]>([
    [["name"], { description: "" }],
    [["description"], { name: "a" }],
    [["description"], { name: "a", description: "\u0001" }],
    [["name"], { name: "no spaces", description: "" }],
    [["name"], { name: "", description: "" }],
    [["name"], { name: "-back", description: "" }],
    [["name"], { name: "x".repeat(257), description: "" }],
    [["schemas"], { name: "a", description: "", schemas: [] }],
    [["schemas", "1"], { name: "a", description: "", schemas: { "1": "string" } }],
    [["featureFlag"], { name: "a", description: "", featureFlag: "no spaces" }],
  ])("refuses a bad %j: %j", async (loc, json) => {
    const response = await callApi(world, "/api/v1/event-type", { json })
    expect(response.status).toBe(422)
    const { detail } = await response.json<{ detail: { loc: string[] }[] }>()
    expect(detail[0]?.loc).toEqual(["body", ...loc])
  })

  it("refuses the name of one that is there", async () => {
    const before = await make("user.signup")
    expect(await refusalOf(svix.eventType.create({ name: "user.signup", description: "Again" }))).toEqual(
      conflict,
    )
    expect(await svix.eventType.get("user.signup")).toEqual(before)
  })

  it("makes one type of two requests at once for one name", async () => {
    const outcomes = await Promise.allSettled([
      svix.eventType.create({ name: "user.signup", description: "First" }),
      svix.eventType.create({ name: "user.signup", description: "Second" }),
    ])
    expect(outcomes.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"])
  })

  it("takes an archived one out of the archive, with the settings given now and its age", async () => {
    const before = await svix.eventType.create({
      name: "user.signup",
      description: "Before",
      schemas: SCHEMAS,
      deprecated: true,
    })
    await svix.eventType.delete("user.signup")
    world.clock.advance(1000)
    const after = await svix.eventType.create({ name: "user.signup", description: "After" })
    expect(after).toMatchObject({
      description: "After",
      archived: false,
      deprecated: false,
      schemas: null,
      createdAt: before.createdAt,
      updatedAt: new Date(world.clock.now()),
    })
    expect(await svix.eventType.get("user.signup")).toEqual(after)
  })

  it("leaves the types that applications have of their own alone", async () => {
    await make("user_registered")
    await svix.eventType.delete("user_registered", { expunge: true })
    expect(await (await world.fetch("/webhooks?event_filter=user_registered")).json()).toEqual({
      detail: "Event 'user_registered' has no registered URLs.",
    })
    expect(await refusalOf(svix.eventType.get("user_registered"))).toEqual(absent)
  })
})

describe("replacing an event type", () => {
  it("answers 200 and sets everything anew", async () => {
    const before = await svix.eventType.create({
      name: "user.signup",
      description: "Before",
      schemas: SCHEMAS,
      deprecated: true,
    })
    world.clock.advance(1000)
    expect(await svix.eventType.upsert("user.signup", { description: "After" })).toMatchObject({
      description: "After",
      deprecated: false,
      schemas: null,
      createdAt: before.createdAt,
      updatedAt: new Date(world.clock.now()),
    })
  })

  it("creates one with 201 that is not there", async () => {
    const request = { method: "PUT", json: { description: "New" } }
    expect((await callApi(world, "/api/v1/event-type/user.signup", request)).status).toBe(201)
    expect((await callApi(world, "/api/v1/event-type/user.signup", request)).status).toBe(200)
  })

  it("archives and takes out of the archive", async () => {
    await make("user.signup")
    await svix.eventType.upsert("user.signup", { description: "", archived: true })
    expect((await svix.eventType.list()).data).toEqual([])
    await svix.eventType.upsert("user.signup", { description: "" })
    expect(names((await svix.eventType.list()).data)).toEqual(["user.signup"])
  })
})

describe("changing an event type", () => {
  it.each<[string, object]>([
    ["description", { description: "After" }],
    ["schemas", { schemas: { "2": { type: "object" } } }],
    ["schemas to nothing", { schemas: null }],
    ["deprecated", { deprecated: false }],
    ["archived", { archived: true }],
    ["featureFlag", { featureFlag: "other" }],
    ["featureFlag to nothing", { featureFlag: null }],
    ["enforceSchema", { enforceSchema: false }],
  ])("changes %s alone", async (_, change) => {
    const created = await callApi(world, "/api/v1/event-type", {
      json: {
        name: "user.signup",
        description: "Before",
        schemas: SCHEMAS,
        deprecated: true,
        featureFlag: "beta",
        enforceSchema: true,
      },
    })
    world.clock.advance(1000)
    const changed = await callApi(world, "/api/v1/event-type/user.signup", { method: "PATCH", json: change })
    expect(changed.status).toBe(200)
    const expected = {
      ...(await created.json<object>()),
      ...change,
      updatedAt: new Date(world.clock.now()).toISOString(),
    }
    expect(await changed.json()).toEqual(expected)
    expect(await (await callApi(world, "/api/v1/event-type/user.signup")).json()).toEqual(expected)
  })

  it("refuses one that is not there", async () => {
    expect(await refusalOf(svix.eventType.patch("nothing", { description: "" }))).toEqual(absent)
    expect(await refusalOf(svix.eventType.get("nothing"))).toEqual(absent)
    expect(await refusalOf(svix.eventType.delete("nothing"))).toEqual(absent)
    expect(await refusalOf(svix.eventType.delete("nothing", { expunge: true }))).toEqual(absent)
  })
})

describe("archiving an event type", () => {
  it("hides it from the list, not from who asks for it by name", async () => {
    await make("user.signup")
    await svix.eventType.delete("user.signup")
    expect((await svix.eventType.list()).data).toEqual([])
    expect(names((await svix.eventType.list({ includeArchived: true })).data)).toEqual(["user.signup"])
    expect(await svix.eventType.get("user.signup")).toMatchObject({ archived: true })
  })

  it("leaves it to the endpoints that have it, and to no other", async () => {
    await svix.application.create({ name: "Acme", uid: "acme" })
    for (const name of ["user.signup", "user.left"]) await make(name)
    await svix.endpoint.create("acme", { uid: "has", url: HOOK, eventTypes: ["user.signup"] })
    await svix.eventType.delete("user.signup")
    const both = ["user.left", "user.signup"]
    expect(await svix.endpoint.patch("acme", "has", { eventTypes: both })).toMatchObject({ eventTypes: both })
    expect(await refusalOf(svix.endpoint.create("acme", { url: HOOK, eventTypes: both }))).toEqual({
      status: 422,
      body: {
        detail: [
          {
            loc: ["body", "eventTypes"],
            msg: expect.stringMatching(/: user\.signup$/),
            type: "invalid",
          },
        ],
      },
    })
  })
})

describe("expunging an event type", () => {
  it("deletes it, so that a new one may have its name", async () => {
    const before = await make("user.signup")
    await svix.eventType.delete("user.signup", { expunge: true })
    expect(await refusalOf(svix.eventType.get("user.signup"))).toEqual(absent)
    expect((await svix.eventType.list({ includeArchived: true })).data).toEqual([])
    world.clock.advance(1000)
    expect((await make("user.signup")).createdAt.getTime()).toBe(before.createdAt.getTime() + 1000)
  })

  it("is refused while an endpoint subscribes to it, and says so", async () => {
    await svix.application.create({ name: "Acme", uid: "acme" })
    await make("user.signup")
    const { id } = await svix.endpoint.create("acme", { url: HOOK, eventTypes: ["user.signup"] })
    expect(await refusalOf(svix.eventType.delete("user.signup", { expunge: true }))).toEqual({
      status: 409,
      body: { code: "conflict", detail: expect.stringMatching(/^1 endpoint subscribes /) },
    })
    await svix.endpoint.delete("acme", id)
    await svix.eventType.delete("user.signup", { expunge: true })
    expect(await refusalOf(svix.eventType.get("user.signup"))).toEqual(absent)
  })
})

describe("the list of event types", () => {
  it("is sorted by name, and leads forward and back by names", async () => {
    for (const name of ["c", "a", "B", "b"]) await make(name)
    const first = await svix.eventType.list({ limit: 2 })
    expect(names(first.data)).toEqual(["B", "a"])
    expect(first).toMatchObject({ iterator: "a", prevIterator: "-B", done: false })
    const second = await svix.eventType.list({ limit: 2, iterator: first.iterator })
    expect(names(second.data)).toEqual(["b", "c"])
    expect(second.done).toBe(true)
    const back = await svix.eventType.list({ limit: 1, iterator: second.prevIterator ?? null })
    expect(names(back.data)).toEqual(["a"])
    expect(back.done).toBe(false)
    const falling = await readAll((iterator) =>
      svix.eventType.list({ limit: 3, order: Ordering.Descending, iterator }),
    )
    expect(names(falling)).toEqual(["c", "b", "a", "B"])
  })

  it("leaves the schemas out, unless asked for the content", async () => {
    await svix.eventType.create({ name: "user.signup", description: "", schemas: SCHEMAS })
    expect((await svix.eventType.list()).data).toMatchObject([{ schemas: null }])
    expect((await svix.eventType.list({ withContent: true })).data).toMatchObject([{ schemas: SCHEMAS }])
  })

  it.each([
    ["group=invoice", ["invoice", "invoice.paid", "invoice.payment.failed"]],
    ["group=invoice.payment", ["invoice.payment.failed"]],
    ["group=in", []],
    ["search=PAID", ["invoice.paid", "user.prepaid"]],
    ["search=about+user", ["user.prepaid"]],
    ["search=%25", []],
    ["search=paid&group=user", ["user.prepaid"]],
  ])("finds by %s", async (query, found) => {
    for (const name of [
      "invoice",
      "invoice.paid",
      "invoice.payment.failed",
      "invoice-x.sent",
      "user.prepaid",
    ])
      await make(name)
    const response = await callApi(world, `/api/v1/event-type?${query}`)
    expect(names((await response.json<{ data: { name: string }[] }>()).data)).toEqual(found)
  })

  it("leads on from a page of what was found", async () => {
    for (const name of ["a.paid", "b.sent", "c.paid"]) await make(name)
    const page = async (iterator: string) =>
      (await callApi(world, `/api/v1/event-type?search=paid&limit=1${iterator}`)).json()
    expect(await page("")).toMatchObject({ data: [{ name: "a.paid" }], iterator: "a.paid", done: false })
    expect(await page("&iterator=a.paid")).toMatchObject({ data: [{ name: "c.paid" }], done: true })
  })

  it("goes on where it was when the type it stopped at is gone", async () => {
    for (const name of ["a", "b", "c"]) await make(name)
    const { iterator } = await svix.eventType.list({ limit: 2 })
    await svix.eventType.delete("b", { expunge: true })
    expect(names((await svix.eventType.list({ iterator })).data)).toEqual(["c"])
  })

  it("shows types behind a feature flag to the tokens that have it", async () => {
    await make("open")
    await callApi(world, "/api/v1/event-type", {
      json: { name: "flagged", description: "", featureFlag: "beta" },
    })
    await svix.application.create({ name: "Acme", uid: "acme" })
    const seenWith = async (featureFlags: string[]) => {
      const { token } = await svix.authentication.appPortalAccess("acme", { featureFlags })
      const { data } = await svixFor(world, token).eventType.list()
      return { token, names: names(data) }
    }
    expect((await seenWith(["beta", "other"])).names).toEqual(["flagged", "open"])
    const without = await seenWith(["other"])
    expect(without.names).toEqual(["open"])
    expect(await refusalOf(svixFor(world, without.token).eventType.get("flagged"))).toEqual(absent)
  })

  it.each(["limit=0", "limit=251", "include_archived=maybe", "iterator=%2F", "group=a%20b", "search="])(
    "refuses %s",
    async (query) => {
      expect((await callApi(world, `/api/v1/event-type?${query}`)).status).toBe(422)
    },
  )

  it("refuses a name that cannot be one", async () => {
    expect(await refusalOf(svix.eventType.get("no spaces"))).toEqual(unfit("path", "event_type_name"))
  })
})
