import { describe, expect, it } from "vitest"

import { createWorld, type World } from "../support/world.ts"
import { callApi, svixFor } from "./svix.ts"

// What one application, or one that was there before, must not do to another.

const MINE = "http://mine.example/hook"

/** Endpoints of another application, subscribed to the same type of the shared catalog. */
async function crowd(world: World, count: number): Promise<void> {
  const svix = svixFor(world)
  await svix.application.create({ name: "Other", uid: "other" })
  for (let n = 0; n < count; n++) {
    await svix.endpoint.create("other", { url: `http://other.example/${n}`, eventTypes: ["invoice.paid"] })
  }
}

describe("a neighbour", () => {
  it("whose many endpoints share my event type does not slow my first attempt", async () => {
    const world = await createWorld()
    const svix = svixFor(world)
    await svix.eventType.create({ name: "invoice.paid", description: "" })
    await crowd(world, 26)
    await svix.application.create({ name: "Mine", uid: "mine" })
    await svix.endpoint.create("mine", { url: MINE, eventTypes: ["invoice.paid"] })
    await svix.message.create("mine", { eventType: "invoice.paid", payload: {} })
    await world.run(world.queued.splice(0))
    expect(world.receivers.received.map(({ url }) => url)).toEqual([MINE])
  })

  it("that had my uid before me does not answer for me under the same key", async () => {
    const world = await createWorld()
    const svix = svixFor(world)
    const send = () =>
      callApi(world, "/api/v1/app/mine/msg", {
        json: { eventType: "invoice.paid", payload: {} },
        headers: { "idempotency-key": "same" },
      })
    await svix.application.create({ name: "Then", uid: "mine" })
    const then = await (await send()).json<{ id: string }>()
    await svix.application.delete("mine")
    await svix.application.create({ name: "Now", uid: "mine" })
    const now = await (await send()).json<{ id: string }>()
    expect(now.id).not.toBe(then.id)
    expect((await svix.message.get("mine", now.id)).id).toBe(now.id)
  })
})

describe("a deleted payload", () => {
  it("is not brought back by the key under which it was sent", async () => {
    const world = await createWorld()
    const svix = svixFor(world)
    await svix.application.create({ name: "Mine", uid: "mine" })
    const send = () =>
      callApi(world, "/api/v1/app/mine/msg", {
        json: { eventType: "invoice.paid", payload: { card: "hush" } },
        headers: { "idempotency-key": "once" },
      })
    const sent = await (await send()).json<{ id: string; payload: unknown }>()
    expect(sent.payload).toEqual({ card: "hush" })
    expect(await (await send()).json()).toEqual(sent)
    await svix.message.expungeContent("mine", sent.id)
    expect(await (await send()).json()).toMatchObject({ id: sent.id, payload: { expired: true } })
    const kept = await world.customersDB.prepare("SELECT sealed FROM idempotency_keys").all()
    expect(JSON.stringify(kept.results)).not.toContain("hush")
  })
})

describe("an event type named with a leading dash", () => {
  it("is not made by sending a message with it: iterators of the catalog would lead back", async () => {
    const world = await createWorld()
    await svixFor(world).application.create({ name: "Mine", uid: "mine" })
    const response = await callApi(world, "/api/v1/app/mine/msg", {
      json: { eventType: "-a", payload: {} },
    })
    expect(response.status).toBe(422)
  })
})

describe("an event type of which only takers of everything are left", () => {
  it("can be expunged", async () => {
    const world = await createWorld()
    const svix = svixFor(world)
    await svix.eventType.create({ name: "invoice.paid", description: "" })
    await svix.application.create({ name: "Mine", uid: "mine" })
    const { id } = await svix.endpoint.create("mine", { url: MINE, eventTypes: ["invoice.paid"] })
    await svix.endpoint.patch("mine", id, { eventTypes: null })
    await svix.eventType.delete("invoice.paid", { expunge: true })
    await expect(svix.eventType.get("invoice.paid")).rejects.toMatchObject({ code: 404 })
  })
})
