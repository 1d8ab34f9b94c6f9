import type { Svix } from "svix"
import { beforeEach, describe, expect, it } from "vitest"

import { createWorld, type World } from "../support/world.ts"
import { conflict, refusalOf } from "./refusal.ts"
import { svixFor } from "./svix.ts"

const HOOK = "http://receiver.example/hook"
const OTHER = "http://other.example/hook"

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

describe("endpoints that were registered through the user notification service", () => {
  const register = async (url: string) =>
    (await world.fetch("/webhook", { json: { event: "user_registered", url } })).json<{
      endpoint_id: string
    }>()

  it("appear here, with the event types of their application", async () => {
    const { endpoint_id: id } = await register(HOOK)
    expect((await svix.endpoint.list("users")).data).toMatchObject([
      { id, url: HOOK, eventTypes: ["user_registered"] },
    ])
    const both = ["user_registered", "user_send_message"]
    expect(await svix.endpoint.patch("users", id, { eventTypes: both })).toMatchObject({ eventTypes: both })
    expect(await (await world.fetch("/webhooks")).json()).toEqual({
      webhooks: both.map((event) => ({ event, urls: [HOOK] })),
    })
  })

  it("are known there by the URL that they get here", async () => {
    const { endpoint_id: id } = await register(HOOK)
    await svix.endpoint.patch("users", id, { url: OTHER })
    expect((await world.fetch("/webhook", { json: { event: "user_registered", url: OTHER } })).status).toBe(
      400,
    )
    expect((await register(HOOK)).endpoint_id).not.toBe(id)
  })

  it("cannot get the URL of another one", async () => {
    const { endpoint_id: id } = await register(HOOK)
    await register(OTHER)
    expect(await refusalOf(svix.endpoint.patch("users", id, { url: OTHER }))).toEqual(conflict)
    expect(await svix.endpoint.get("users", id)).toMatchObject({ url: HOOK })
  })

  it("may be deleted here, and registered there again", async () => {
    const { endpoint_id: id } = await register(HOOK)
    await svix.endpoint.delete("users", id)
    expect((await register(HOOK)).endpoint_id).not.toBe(id)
  })

  it("take the event types of the catalog as well", async () => {
    const { endpoint_id: id } = await register(HOOK)
    expect(await svix.endpoint.patch("users", id, { eventTypes: ["user.signup"] })).toMatchObject({
      eventTypes: ["user.signup"],
    })
  })
})

describe("an endpoint made here for application A", () => {
  it("is listed by GET /webhooks, and ended by DELETE /webhook", async () => {
    const world = await createWorld()
    const url = "http://made-here.example/hook"
    await svixFor(world).endpoint.create("users", { url, eventTypes: ["user_registered"] })
    const listed = await world.fetch("/webhooks?event_filter=user_registered")
    expect(await listed.json()).toEqual({ webhooks: [{ event: "user_registered", urls: [url] }] })
    const ended = await world.fetch("/webhook", { method: "DELETE", json: { event: "user_registered", url } })
    expect(ended.status).toBe(204)
    expect((await world.fetch("/webhooks?event_filter=user_registered")).status).toBe(404)
  })
})
