import { Ordering, type Svix } from "svix"
import { beforeEach, describe, expect, it } from "vitest"

import { createWorld, type World } from "../support/world.ts"
import { absent, conflict, readAll, refusalOf, unfit } from "./refusal.ts"
import { callApi, svixFor } from "./svix.ts"

const HOOK = "http://receiver.example/hook"
/** By the order of their ids. */
const BUILT_IN = ["invoices", "operations", "uploads", "users"]

let world: World
let svix: Svix

beforeEach(async () => {
  world = await createWorld()
  svix = svixFor(world)
})

const make = (name: string, uid: string | null = null) => svix.application.create({ name, uid })
const put = (path: string, json: object) => callApi(world, path, { method: "PUT", json })

describe("creating an application", () => {
  it("answers 201 and the application, which its id and its uid find again", async () => {
    const response = await callApi(world, "/api/v1/app", {
      json: { name: "Acme", uid: "acme", throttleRate: 5, metadata: { plan: "gold" } },
    })
    expect(response.status).toBe(201)
    const { id } = await response.json<{ id: string }>()
    expect(id).toMatch(/^app_[0-9a-f]{32}$/)
    const now = new Date(world.clock.now())
    const expected = {
      id,
      uid: "acme",
      name: "Acme",
      throttleRate: 5,
      metadata: { plan: "gold" },
      createdAt: now,
      updatedAt: now,
    }
    expect(await svix.application.get(id)).toEqual(expected)
    expect(await svix.application.get("acme")).toEqual(expected)
  })

  it("needs no more than a name", async () => {
    expect(await make("Acme")).toMatchObject({ name: "Acme", uid: null, throttleRate: null, metadata: {} })
  })

  it("takes null for no metadata", async () => {
    const response = await callApi(world, "/api/v1/app", { json: { name: "Acme", metadata: null } })
    expect(await response.json()).toMatchObject({ metadata: {} })
  })

  it.each<[string, object]>([
    ["name", {}],
    ["name", { name: "" }],
    ["name", { name: "a\u0000b" }],
    ["uid", { name: "Acme", uid: "" }],
    ["uid", { name: "Acme", uid: "no spaces" }],
    ["uid", { name: "Acme", uid: "x".repeat(257) }],
    ["uid", { name: "Acme", uid: "app_like_an_id" }],
    ["throttleRate", { name: "Acme", throttleRate: 0 }],
    ["throttleRate", { name: "Acme", throttleRate: 65_536 }],
    ["metadata", { name: "Acme", metadata: { long: "x".repeat(1025) } }],
  ])("refuses a bad %s: %j", async (field, json) => {
    const response = await callApi(world, "/api/v1/app", { json })
    expect(response.status).toBe(422)
    const { detail } = await response.json<{ detail: { loc: string[] }[] }>()
    expect(detail[0]?.loc.slice(0, 2)).toEqual(["body", field])
  })

  it("refuses a uid that another one has", async () => {
    const first = await make("First", "acme")
    expect(await refusalOf(make("Second", "acme"))).toEqual(conflict)
    expect(await svix.application.get("acme")).toEqual(first)
  })

  it.each(BUILT_IN)("refuses the uid of the application %s, which comes with the system", async (uid) => {
    expect(await refusalOf(make("Mine", uid))).toEqual(conflict)
  })

  it("makes one application of two requests at once for one uid", async () => {
    const outcomes = await Promise.allSettled([make("First", "acme"), make("Second", "acme")])
    expect(outcomes.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"])
  })

  it("makes one application although the database's answer got lost", async () => {
    let lost = false
    world.probe.after = (statements) => {
      if (lost || !statements.some((text) => text.includes("INSERT INTO applications"))) return
      lost = true
      throw new Error("Network connection lost.")
    }
    expect(await make("Acme", "acme")).toMatchObject({ uid: "acme" })
    expect(lost).toBe(true)
  })
})

describe("getting or creating an application", () => {
  it("answers 200 and the application as it is when its uid is there", async () => {
    const first = await make("First", "acme")
    expect(await svix.application.getOrCreate({ name: "Second", uid: "acme" })).toEqual(first)
    const response = await callApi(world, "/api/v1/app?get_if_exists=true", {
      json: { name: "Third", uid: "acme" },
    })
    expect(response.status).toBe(200)
  })

  it("creates it with 201 when there is none", async () => {
    const response = await callApi(world, "/api/v1/app?get_if_exists=true", {
      json: { name: "Acme", uid: "acme" },
    })
    expect(response.status).toBe(201)
  })

  it("creates one without a uid each time", async () => {
    const first = await svix.application.getOrCreate({ name: "Acme" })
    expect((await svix.application.getOrCreate({ name: "Acme" })).id).not.toBe(first.id)
  })
})

describe("replacing an application", () => {
  it("sets everything anew: what is not given is gone", async () => {
    const { id } = await svix.application.create({
      name: "Acme",
      uid: "acme",
      throttleRate: 5,
      metadata: { plan: "gold" },
    })
    world.clock.advance(1000)
    expect(await svix.application.upsert(id, { name: "Other" })).toMatchObject({
      id,
      name: "Other",
      uid: null,
      throttleRate: null,
      metadata: {},
      updatedAt: new Date(world.clock.now()),
    })
    expect(await refusalOf(svix.application.get("acme"))).toEqual(absent)
  })

  it("creates it with 201 under the uid of the path, so that a second time is no second application", async () => {
    expect((await put("/api/v1/app/acme", { name: "First" })).status).toBe(201)
    expect((await put("/api/v1/app/acme", { name: "Second" })).status).toBe(200)
    expect(await svix.application.get("acme")).toMatchObject({ name: "Second", uid: "acme" })
    const all = await svix.application.list()
    expect(all.data.filter(({ name }) => name === "First" || name === "Second")).toHaveLength(1)
  })

  it("creates it under the uid of the body, if there is one", async () => {
    expect(await svix.application.upsert("path", { name: "Acme", uid: "body" })).toMatchObject({
      uid: "body",
    })
    expect(await refusalOf(svix.application.get("path"))).toEqual(absent)
  })

  it("takes another uid, and refuses one that is taken", async () => {
    await make("First", "first")
    const second = await make("Second", "second")
    const { id } = await svix.application.upsert("second", { name: "Second", uid: "other" })
    expect(id).toBe(second.id)
    expect(await refusalOf(svix.application.upsert("other", { name: "Second", uid: "first" }))).toEqual(
      conflict,
    )
    expect(await svix.application.get("other")).toMatchObject({ id })
  })
})

describe("changing an application", () => {
  it.each<[string, object]>([
    ["name", { name: "Other" }],
    ["throttleRate", { throttleRate: 7 }],
    ["throttleRate to nothing", { throttleRate: null }],
    ["uid", { uid: "other" }],
    ["uid to nothing", { uid: null }],
    ["metadata", { metadata: { other: "thing" } }],
    ["metadata to nothing", { metadata: {} }],
    ["nothing", {}],
  ])("changes %s alone", async (_, change) => {
    const before = await svix.application.create({
      name: "Acme",
      uid: "acme",
      throttleRate: 5,
      metadata: { plan: "gold" },
    })
    world.clock.advance(1000)
    await svix.application.patch("acme", change)
    expect(await svix.application.get(before.id)).toEqual({
      ...before,
      ...change,
      updatedAt: new Date(world.clock.now()),
    })
  })

  it("refuses a uid that is taken, a bad value, and an application that is not there", async () => {
    await make("First", "first")
    await make("Second", "second")
    expect(await refusalOf(svix.application.patch("second", { uid: "first" }))).toEqual(conflict)
    expect(await refusalOf(svix.application.patch("second", { name: "" }))).toEqual(unfit("body", "name"))
    expect(await refusalOf(svix.application.patch("third", { name: "Third" }))).toEqual(absent)
  })

  it.each(BUILT_IN)("leaves the uid of %s, which comes with the system, as it is", async (uid) => {
    expect(await refusalOf(svix.application.patch(uid, { uid: "mine" }))).toEqual(conflict)
    const { id, name } = await svix.application.get(uid)
    expect(await svix.application.upsert(id, { name })).toMatchObject({ uid })
  })
})

describe("deleting an application", () => {
  it("takes it away with its endpoints, and frees its uid", async () => {
    const { id } = await make("Acme", "acme")
    const endpoint = await svix.endpoint.create("acme", { url: HOOK, uid: "hook" })
    await svix.application.delete("acme")
    for (const gone of [id, "acme"]) {
      expect(await refusalOf(svix.application.get(gone))).toEqual(absent)
      expect(await refusalOf(svix.endpoint.get(gone, endpoint.id))).toEqual(absent)
      expect(await refusalOf(svix.endpoint.create(gone, { url: HOOK }))).toEqual(absent)
    }
    const next = await make("Next", "acme")
    expect(next.id).not.toBe(id)
    expect((await svix.endpoint.list("acme")).data).toEqual([])
    expect(await refusalOf(svix.application.delete(id))).toEqual(absent)
  })

  it("ends its pending retries", async () => {
    await make("Acme", "acme")
    await svix.endpoint.create("acme", { url: HOOK })
    world.receivers.at(HOOK, 500)
    await svix.message.create("acme", { eventType: "user.signup", payload: {} })
    await world.runDue()
    expect(world.receivers.to(HOOK)).toHaveLength(1)
    await svix.application.delete("acme")
    await world.runAllWithSweeps(3_600_000)
    expect(world.receivers.to(HOOK)).toHaveLength(1)
  })

  it("keeps what was sent but not yet delivered from going out", async () => {
    await make("Acme", "acme")
    await svix.endpoint.create("acme", { url: HOOK })
    await svix.message.create("acme", { eventType: "user.signup", payload: {} })
    await svix.application.delete("acme")
    await world.runAllWithSweeps(600_000)
    expect(world.receivers.to(HOOK)).toEqual([])
  })

  it.each(BUILT_IN)("refuses to delete %s, which comes with the system", async (uid) => {
    expect(await refusalOf(svix.application.delete(uid))).toEqual(conflict)
    expect(await svix.application.get(uid)).toMatchObject({ uid })
  })
})

describe("the list of applications", () => {
  it("holds those that come with the system, but not the catalog of event types", async () => {
    const { data, done } = await svix.application.list()
    expect(data.map(({ uid }) => uid)).toEqual(BUILT_IN)
    expect(done).toBe(true)
    expect(await refusalOf(svix.application.get("app_catalog"))).toEqual(absent)
  })

  it("leads forward and back, in either order", async () => {
    for (const uid of ["a", "b", "c"]) await make(uid, uid)
    const first = await svix.application.list({ limit: 2 })
    expect(first).toMatchObject({ data: [{ uid: "a" }, { uid: "b" }], done: false })
    const second = await svix.application.list({ limit: 2, iterator: first.iterator })
    expect(second).toMatchObject({ data: [{ uid: "c" }, { uid: "invoices" }], done: false })
    const back = await svix.application.list({ limit: 2, iterator: second.prevIterator ?? null })
    expect(back).toMatchObject({ data: [{ uid: "a" }, { uid: "b" }], done: true })
    const falling = await readAll((iterator) =>
      svix.application.list({ limit: 2, order: Ordering.Descending, iterator }),
    )
    expect(falling.map(({ uid }) => uid)).toEqual([...BUILT_IN.toReversed(), "c", "b", "a"])
  })

  it("neither skips nor repeats one while others come and go", async () => {
    for (const uid of ["a", "b", "c"]) await make(uid, uid)
    const seen: (string | null | undefined)[] = []
    await readAll(async (iterator) => {
      const page = await svix.application.list({ limit: 1, iterator })
      seen.push(...page.data.map(({ uid }) => uid))
      if (seen.length === 1) await svix.application.delete("a")
      if (seen.length === 2) await make("d", "d")
      return page
    })
    expect(seen).toEqual(["a", "b", "c", "d", ...BUILT_IN])
  })

  it("finds by a part of the name, the uid or the id, page by page", async () => {
    const { id } = await make("Acme Inc", "first")
    await make("Globex", "ACME-2")
    await make("Initech 100%", "third")
    const found = async (search: string) =>
      (
        await (
          await callApi(world, `/api/v1/app?search=${encodeURIComponent(search)}`)
        ).json<{ data: { name: string }[] }>()
      ).data.map(({ name }) => name)
    expect(await found("acme")).toEqual(["Acme Inc", "Globex"])
    expect(await found(id.slice(4))).toEqual(["Acme Inc"])
    expect(await found("%")).toEqual(["Initech 100%"])
    expect(await found("nobody")).toEqual([])
    const first = await (await callApi(world, "/api/v1/app?search=acme&limit=1")).json<{ iterator: string }>()
    const second = await callApi(world, `/api/v1/app?search=acme&limit=1&iterator=${first.iterator}`)
    expect(await second.json()).toMatchObject({ data: [{ name: "Globex" }] })
  })

  it("leads on from a page of a search that has found nothing yet", async () => {
    await world.env.DB.prepare(
      `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2100)
       INSERT INTO applications (id, name, metadata, created_at, updated_at)
       SELECT printf('app_%032x', i), iif(i = 2050, 'needle', 'hay'), '{}', 2000, 2000 FROM n`,
    ).run()
    const first = await (await callApi(world, "/api/v1/app?search=needle")).json<{
      data: []
      done: boolean
      iterator: string
    }>()
    expect(first).toMatchObject({ data: [], done: false })
    const second = await callApi(world, `/api/v1/app?search=needle&iterator=${first.iterator}`)
    expect(await second.json()).toMatchObject({ data: [{ name: "needle" }], done: true })
  })

  it.each(["limit=0", "limit=251", "limit=x", "iterator=%20", "order=up"])("refuses %s", async (query) => {
    expect((await callApi(world, `/api/v1/app?${query}`)).status).toBe(422)
  })

  it("takes a limit of 250", async () => {
    expect((await svix.application.list({ limit: 250 })).data).toHaveLength(BUILT_IN.length)
  })
})
