import { describe, expect, it } from "vitest"

import { registerHook, registerUser } from "../support/make.ts"
import { verify } from "../support/receiver.ts"
import { createWorld } from "../support/world.ts"

const HOOK = "http://receiver.example/hook"

describe("what a receiver gets", () => {
  it("is the event, signed, from the request to the delivery", async () => {
    const world = await createWorld()
    const secret = await registerHook(world, HOOK)
    const created = await world.fetch("/users", { json: { username: "Zoë 🦉" } })
    const user = await created.json()
    await world.runDue()
    const [delivery] = world.receivers.to(HOOK)
    expect(verify(secret, delivery)).toEqual({ event: "user_registered", data: user })
  })

  it("is signed anew in a retry, under the same id, at its own time", async () => {
    const world = await createWorld()
    const secret = await registerHook(world, HOOK)
    world.receivers.at(HOOK, 500, 200)
    await registerUser(world, "ada")
    await world.runAll(10_000)
    const [first, retry] = world.receivers.to(HOOK)
    expect(verify(secret, retry)).toEqual(first?.json)
    expect(retry?.headers["webhook-id"]).toBe(first?.headers["webhook-id"])
    expect(Number(retry?.headers["webhook-timestamp"])).toBeGreaterThan(
      Number(first?.headers["webhook-timestamp"]),
    )
  })

  it("is signed in a ping too", async () => {
    const world = await createWorld()
    const secret = await registerHook(world, HOOK)
    world.pingsWork()
    await world.fetch("/ping", { method: "POST" })
    expect(verify(secret, world.receivers.to(HOOK)[0])).toMatchObject({ event: "user_registered" })
  })

  it("does not verify once a byte of it has changed", async () => {
    const world = await createWorld()
    const secret = await registerHook(world, HOOK)
    await registerUser(world, "ada")
    await world.runDue()
    const [delivery] = world.receivers.to(HOOK)
    if (!delivery) throw new Error("nothing arrived")
    expect(() => verify(secret, { ...delivery, body: `${delivery.body} ` })).toThrow()
  })
})
