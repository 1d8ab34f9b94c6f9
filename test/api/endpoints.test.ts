import { Ordering, type Svix } from "svix"
import { beforeEach, describe, expect, it } from "vitest"

import { createWorld, ORIGIN, type World } from "../support/world.ts"
import { absent, conflict, readAll, refusalOf, unfit } from "./refusal.ts"
import { callApi, svixFor } from "./svix.ts"

const HOOK = "http://receiver.example/hook"
const OTHER = "http://other.example/hook"
const FIVE_MINUTES_MS = 300_000

let world: World
let svix: Svix

beforeEach(async () => {
  world = await createWorld()
  svix = svixFor(world)
  await svix.application.create({ name: "Acme", uid: "acme" })
  for (const name of ["user.signup", "user.left", "user.paid"]) {
    await svix.eventType.create({ name, description: "" })
  }
})

const make = (endpoint: object = {}) => svix.endpoint.create("acme", { url: HOOK, ...endpoint })
const send = (eventType: string, channels?: string[]) =>
  svix.message.create("acme", { eventType, payload: { eventType }, ...(channels ? { channels } : {}) })
const received = (url = HOOK) =>
  world.receivers.to(url).map(({ json }) => (json as { eventType: string }).eventType)

/** An endpoint that its receiver's 410 has disabled. */
async function makeGone() {
  const endpoint = await make({ uid: "gone" })
  world.receivers.at(HOOK, 410, 200)
  await send("user.signup")
  await world.runDue()
  expect(await svix.endpoint.get("acme", "gone")).toMatchObject({ disabled: true })
  world.clock.advance(1000)
  return endpoint
}

describe("creating an endpoint", () => {
  it("answers 201 and the endpoint, which its id and its uid find again", async () => {
    const created = await make({
      uid: "hook",
      description: "Where it goes",
      throttleRate: 5,
      eventTypes: ["user.signup", "user.left", "user.signup"],
      channels: ["b", "a"],
      metadata: { team: "billing" },
    })
    const now = new Date(world.clock.now())
    expect(created).toEqual({
      id: expect.stringMatching(/^ep_[0-9a-f]{32}$/),
      uid: "hook",
      url: HOOK,
      description: "Where it goes",
      throttleRate: 5,
      disabled: false,
      eventTypes: ["user.left", "user.signup"],
      channels: ["b", "a"],
      metadata: { team: "billing" },
      createdAt: now,
      updatedAt: now,
    })
    expect(await svix.endpoint.get("acme", created.id)).toEqual(created)
    expect(await svix.endpoint.get("acme", "hook")).toEqual(created)
  })

  it("needs no more than a URL, and takes every event type then", async () => {
    expect(await make()).toMatchObject({
      uid: null,
      description: "",
      throttleRate: null,
      disabled: false,
      eventTypes: null,
      channels: null,
      metadata: {},
    })
    await svix.eventType.create({ name: "made.later", description: "" })
    await send("made.later")
    await world.runDue()
    expect(received()).toEqual(["made.later"])
  })

  it("keeps no secret and no header in its answer", async () => {
    const response = await callApi(world, "/api/v1/app/acme/endpoint", {
      json: { url: HOOK, headers: { "x-mine": "hidden" } },
    })
    expect(await response.text()).not.toMatch(/whsec_|hidden/)
  })

  it("sends the headers given along", async () => {
    await make({ headers: { "x-mine": "value" } })
    await send("user.signup")
    await world.runDue()
    expect(world.receivers.to(HOOK)[0]?.headers).toMatchObject({ "x-mine": "value" })
  })

  it("answers the URL in its normal form", async () => {
    expect(await make({ url: "HTTP://Receiver.example:80" })).toMatchObject({
      url: "http://receiver.example/",
    })
  })

  it("may be disabled from the start, and gets nothing then", async () => {
    expect(await make({ disabled: true })).toMatchObject({ disabled: true })
    await send("user.signup")
    await world.runAllWithSweeps(FIVE_MINUTES_MS)
    expect(received()).toEqual([])
  })

  it("gets only what it subscribes to", async () => {
    await make({ eventTypes: ["user.signup"] })
    await send("user.left")
    await send("user.signup")
    await world.runDue()
    expect(received()).toEqual(["user.signup"])
  })

  it("gets nothing that was sent before it was made, not even one that takes every type", async () => {
    await make()
    await send("user.signup")
    world.clock.advance(1)
    await make({ url: OTHER })
    await world.runDue()
    expect([received(), received(OTHER)]).toEqual([["user.signup"], []])
  })

  it("gets only messages of its channels", async () => {
    await make({ channels: ["a"] })
    await send("user.signup")
    await send("user.left", ["b", "A"])
    await send("user.paid", ["b", "a"])
    await world.runDue()
    expect(received()).toEqual(["user.paid"])
  })

  it.each<[string, object]>([
    ["url", { url: "" }],
    ["url", { url: "no url" }],
    ["url", { url: "ftp://receiver.example/" }],
    ["url", { url: "http://user:password@receiver.example/" }],
    ["url", { url: "http://receiver.example/\n" }],
    ["url", { url: `${ORIGIN}/users` }],
    ["uid", { uid: "no spaces" }],
    ["uid", { uid: "ep_like_an_id" }],
    ["description", { description: "\u0000" }],
    ["throttleRate", { throttleRate: 0 }],
    ["eventTypes", { eventTypes: [] }],
    ["eventTypes", { eventTypes: ["user.signup", "unknown"] }],
    ["channels", { channels: [] }],
    ["channels", { channels: Array.from({ length: 11 }, (_, n) => `c${n}`) }],
    ["metadata", { metadata: { number: 1 } }],
    ["headers", { headers: { "content-length": "1" } }],
    ["secret", { secret: "whsec_tooshort" }],
  ])("refuses a bad %s: %j", async (field, endpoint) => {
    const { status, body } = await refusalOf(make(endpoint))
    expect(status).toBe(422)
    expect((body as { detail: { loc: string[] }[] }).detail[0]?.loc.slice(0, 2)).toEqual(["body", field])
    expect((await svix.endpoint.list("acme")).data).toEqual([])
  })

  it("refuses a private URL where those are not allowed", async () => {
    world = await createWorld({ ALLOW_PRIVATE_TARGETS: "false" })
    svix = svixFor(world)
    await svix.application.create({ name: "Acme", uid: "acme" })
    expect(await refusalOf(make({ url: "http://10.0.0.1/" }))).toEqual(unfit("body", "url"))
  })

  it("names every event type that is unknown", async () => {
    const { body } = await refusalOf(make({ eventTypes: ["user.signup", "nobody", "knows"] }))
    expect(JSON.stringify(body)).toContain(": nobody, knows")
  })

  it("refuses an application that is not there", async () => {
    expect(await refusalOf(svix.endpoint.create("nobody", { url: HOOK }))).toEqual(absent)
  })

  it("makes one endpoint although the database's answer got lost", async () => {
    let lost = false
    world.probe.after = (statements) => {
      if (lost || !statements.some((text) => text.includes("INSERT INTO endpoints"))) return
      lost = true
      throw new Error("Network connection lost.")
    }
    const created = await make({ uid: "hook", eventTypes: ["user.signup"] })
    expect(lost).toBe(true)
    expect((await svix.endpoint.list("acme")).data).toEqual([created])
    await send("user.signup")
    await world.runDue()
    expect(received()).toEqual(["user.signup"])
  })
})

describe("an endpoint's uid", () => {
  it("is unique within its application alone", async () => {
    await make({ uid: "hook" })
    expect(await refusalOf(make({ uid: "hook" }))).toEqual(conflict)
    await svix.application.create({ name: "Other", uid: "other" })
    expect(await svix.endpoint.create("other", { url: HOOK, uid: "hook" })).toMatchObject({ uid: "hook" })
  })

  it("may be used again after deletion", async () => {
    const first = await make({ uid: "hook" })
    await svix.endpoint.delete("acme", "hook")
    const second = await make({ uid: "hook" })
    expect(second.id).not.toBe(first.id)
    expect(await svix.endpoint.get("acme", "hook")).toEqual(second)
  })

  it("cannot be changed to another's, and stays as it was", async () => {
    await make({ uid: "first" })
    const second = await make({ uid: "second" })
    expect(
      await refusalOf(svix.endpoint.patch("acme", "second", { uid: "first", description: "x" })),
    ).toEqual(conflict)
    expect(await refusalOf(svix.endpoint.upsert("acme", "second", { url: HOOK, uid: "first" }))).toEqual(
      conflict,
    )
    expect(await svix.endpoint.get("acme", second.id)).toEqual(second)
  })
})

describe("replacing an endpoint", () => {
  it("sets everything anew but its secret and its headers", async () => {
    const before = await make({
      uid: "hook",
      description: "Before",
      throttleRate: 5,
      eventTypes: ["user.signup"],
      channels: ["a"],
      metadata: { team: "billing" },
      headers: { "x-mine": "value" },
    })
    const secret = await svix.endpoint.getSecret("acme", "hook")
    world.clock.advance(1000)
    expect(await svix.endpoint.upsert("acme", before.id, { url: OTHER })).toEqual({
      ...before,
      uid: null,
      url: OTHER,
      description: "",
      throttleRate: null,
      eventTypes: null,
      channels: null,
      metadata: {},
      updatedAt: new Date(world.clock.now()),
    })
    expect(await svix.endpoint.getSecret("acme", before.id)).toEqual(secret)
    expect(await svix.endpoint.getHeaders("acme", before.id)).toMatchObject({
      headers: { "x-mine": "value" },
    })
  })

  it("creates it with 201 under the uid of the path, so that a second time is no second endpoint", async () => {
    const put = (url: string) =>
      callApi(world, "/api/v1/app/acme/endpoint/hook", { method: "PUT", json: { url } })
    expect((await put(HOOK)).status).toBe(201)
    expect((await put(OTHER)).status).toBe(200)
    expect((await svix.endpoint.list("acme")).data).toMatchObject([{ url: OTHER, uid: "hook" }])
  })

  it("refuses a bad URL and unknown event types, whether it is there or not", async () => {
    await make({ uid: "hook" })
    for (const endpoint of ["hook", "new"]) {
      expect(await refusalOf(svix.endpoint.upsert("acme", endpoint, { url: "nowhere" }))).toEqual(
        unfit("body", "url"),
      )
      expect(
        await refusalOf(svix.endpoint.upsert("acme", endpoint, { url: HOOK, eventTypes: ["unknown"] })),
      ).toEqual(unfit("body", "eventTypes"))
    }
  })
})

describe("changing an endpoint", () => {
  it.each<[string, object]>([
    ["url", { url: OTHER }],
    ["uid", { uid: "other" }],
    ["uid to nothing", { uid: null }],
    ["description", { description: "After" }],
    ["throttleRate", { throttleRate: 7 }],
    ["throttleRate to nothing", { throttleRate: null }],
    ["disabled", { disabled: true }],
    ["eventTypes", { eventTypes: ["user.left", "user.paid"] }],
    ["eventTypes to all", { eventTypes: null }],
    ["channels", { channels: ["b"] }],
    ["channels to nothing", { channels: null }],
    ["metadata", { metadata: { other: "thing" } }],
    ["nothing", {}],
  ])("changes %s alone", async (_, change) => {
    const before = await make({
      uid: "hook",
      description: "Before",
      throttleRate: 5,
      eventTypes: ["user.signup"],
      channels: ["a"],
      metadata: { team: "billing" },
    })
    world.clock.advance(1000)
    const after = await svix.endpoint.patch("acme", "hook", change)
    expect(after).toEqual({ ...before, ...change, updatedAt: new Date(world.clock.now()) })
    expect(await svix.endpoint.get("acme", before.id)).toEqual(after)
  })

  it.each<[string, object]>([
    ["url", { url: "nowhere" }],
    ["eventTypes", { eventTypes: [] }],
    ["eventTypes", { eventTypes: ["unknown"] }],
    ["channels", { channels: [] }],
    ["disabled", { disabled: null }],
  ])("refuses a bad %s: %j", async (field, change) => {
    const before = await make({ uid: "hook" })
    expect(await refusalOf(svix.endpoint.patch("acme", "hook", change))).toEqual(unfit("body", field))
    expect(await svix.endpoint.get("acme", "hook")).toEqual(before)
  })

  it("refuses one that is not there, or another application's", async () => {
    const { id } = await make()
    await svix.application.create({ name: "Other", uid: "other" })
    for (const [app, endpoint] of [
      ["acme", "nothing"],
      ["other", id],
    ] as const) {
      expect(await refusalOf(svix.endpoint.get(app, endpoint))).toEqual(absent)
      expect(await refusalOf(svix.endpoint.patch(app, endpoint, { description: "" }))).toEqual(absent)
      expect(await refusalOf(svix.endpoint.delete(app, endpoint))).toEqual(absent)
    }
    expect(await svix.endpoint.get("acme", id)).toMatchObject({ id })
  })

  it("lets what is pending of a type go when the endpoint no longer subscribes to it", async () => {
    await make({ uid: "hook", eventTypes: ["user.signup", "user.left"] })
    world.receivers.at(HOOK, 500, 500, 200)
    await send("user.signup")
    await send("user.left")
    await world.runDue()
    await svix.endpoint.patch("acme", "hook", { eventTypes: ["user.left"] })
    await world.runAllWithSweeps(FIVE_MINUTES_MS)
    expect(received()).toEqual(["user.signup", "user.left", "user.left"])
  })

  it.each<[string, string[] | null, string[] | null]>([
    ["narrowed from all types", null, ["user.signup"]],
    ["widened to all types", ["user.signup"], null],
    ["given another type", ["user.signup"], ["user.left", "user.signup"]],
    ["left as it is with all types", null, null],
  ])("still gets what was sent before, of types it keeps, when it is %s", async (_, before, after) => {
    await make({ uid: "hook", eventTypes: before })
    world.clock.advance(1000)
    await send("user.signup")
    world.clock.advance(1000)
    await svix.endpoint.patch("acme", "hook", { eventTypes: after })
    await world.runDue()
    expect(received()).toEqual(["user.signup"])
  })

  it("does not get what was sent before it subscribed", async () => {
    await make({ uid: "hook", eventTypes: ["user.signup"] })
    await make({ url: OTHER })
    world.clock.advance(1000)
    await send("user.left")
    world.clock.advance(1000)
    await svix.endpoint.patch("acme", "hook", { eventTypes: ["user.signup", "user.left"] })
    await world.runDue()
    expect(received(OTHER)).toEqual(["user.left"])
    expect(received()).toEqual([])
  })

  it("delivers what comes next to its new URL", async () => {
    await make({ uid: "hook" })
    await svix.endpoint.patch("acme", "hook", { url: OTHER })
    await send("user.signup")
    await world.runDue()
    expect([received(), received(OTHER)]).toEqual([[], ["user.signup"]])
  })
})

describe("disabling and enabling an endpoint", () => {
  it("stops its deliveries, and what is pending ends", async () => {
    await make({ uid: "hook" })
    world.receivers.at(HOOK, 500, 200)
    await send("user.signup")
    await world.runDue()
    await svix.endpoint.patch("acme", "hook", { disabled: true })
    await world.runAllWithSweeps(FIVE_MINUTES_MS)
    await svix.endpoint.patch("acme", "hook", { disabled: false })
    await world.runAllWithSweeps(FIVE_MINUTES_MS)
    expect(received()).toEqual(["user.signup"])
    await send("user.left")
    await world.runDue()
    expect(received()).toEqual(["user.signup", "user.left"])
  })

  it.each<[string, () => Promise<unknown>]>([
    ["a patch", () => svix.endpoint.patch("acme", "gone", { disabled: false })],
    ["a replacement", () => svix.endpoint.upsert("acme", "gone", { url: HOOK })],
  ])("enables one that is gone by %s, and starts afresh", async (_, enable) => {
    await makeGone()
    await enable()
    expect(await svix.endpoint.get("acme", "gone")).toMatchObject({ disabled: false })
    await send("user.left")
    await world.runDue()
    expect(received()).toEqual(["user.signup", "user.left"])
  })

  it("ends the pause of one that kept failing", async () => {
    await make({ uid: "hook" })
    world.receivers.at(HOOK, new Response(null, { status: 503, headers: { "retry-after": "3600" } }), 200)
    await send("user.signup")
    await world.runDue()
    await svix.endpoint.patch("acme", "hook", { disabled: true })
    await svix.endpoint.patch("acme", "hook", { disabled: false })
    await send("user.left")
    await world.runDue()
    expect(received()).toEqual(["user.signup", "user.left"])
  })

  it("keeps the pause of one that is enabled already", async () => {
    await make({ uid: "hook" })
    world.receivers.at(HOOK, new Response(null, { status: 503, headers: { "retry-after": "3600" } }), 200)
    await send("user.signup")
    await world.runDue()
    await svix.endpoint.patch("acme", "hook", { disabled: false })
    await send("user.left")
    await world.runAllWithSweeps(FIVE_MINUTES_MS)
    expect(received()).toEqual(["user.signup"])
  })
})

describe("deleting an endpoint", () => {
  it("takes it away at once, pending retries included", async () => {
    const { id } = await make({ uid: "hook" })
    world.receivers.at(HOOK, 500)
    await send("user.signup")
    await world.runDue()
    await send("user.left")
    const response = await callApi(world, "/api/v1/app/acme/endpoint/hook", { method: "DELETE" })
    expect(response.status).toBe(204)
    await world.runAllWithSweeps(FIVE_MINUTES_MS * 3)
    expect(received()).toEqual(["user.signup"])
    for (const gone of [id, "hook"]) {
      expect(await refusalOf(svix.endpoint.get("acme", gone))).toEqual(absent)
      expect(await refusalOf(svix.endpoint.delete("acme", gone))).toEqual(absent)
      expect(await refusalOf(svix.endpoint.getSecret("acme", gone))).toEqual(absent)
      expect(await refusalOf(svix.endpoint.getHeaders("acme", gone))).toEqual(absent)
    }
    expect((await svix.endpoint.list("acme")).data).toEqual([])
  })
})

describe("the list of endpoints", () => {
  it("shows the newest first, and leads forward and back", async () => {
    for (const uid of ["a", "b", "c", "d", "e"]) await make({ uid })
    const uids = (page: { data: { uid?: string | null }[] }) => page.data.map(({ uid }) => uid)
    const first = await svix.endpoint.list("acme", { limit: 2 })
    expect([uids(first), first.done]).toEqual([["e", "d"], false])
    const second = await svix.endpoint.list("acme", { limit: 2, iterator: first.iterator })
    expect([uids(second), second.done]).toEqual([["c", "b"], false])
    const back = await svix.endpoint.list("acme", { limit: 2, iterator: second.prevIterator ?? null })
    expect([uids(back), back.done]).toEqual([["e", "d"], true])
    const rising = await readAll((iterator) =>
      svix.endpoint.list("acme", { limit: 3, order: Ordering.Ascending, iterator }),
    )
    expect(uids({ data: rising })).toEqual(["a", "b", "c", "d", "e"])
  })

  it("neither skips nor repeats one while others come and go", async () => {
    for (const uid of ["a", "b", "c"]) await make({ uid })
    const seen: (string | null | undefined)[] = []
    await readAll(async (iterator) => {
      const page = await svix.endpoint.list("acme", { limit: 1, iterator })
      seen.push(...page.data.map(({ uid }) => uid))
      if (seen.length === 1) {
        await make({ uid: "d" })
        await svix.endpoint.delete("acme", "c")
      }
      return page
    })
    expect(seen).toEqual(["c", "b", "a"])
  })

  it("is empty, with no iterators, where there are none", async () => {
    expect(await svix.endpoint.list("acme")).toEqual({
      data: [],
      iterator: null,
      prevIterator: null,
      done: true,
    })
    expect(await refusalOf(svix.endpoint.list("nobody"))).toEqual(absent)
  })
})
