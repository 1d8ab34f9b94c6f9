import { describe, expect, it } from "vitest"

import { verify } from "../support/receiver.ts"
import { createWorld } from "../support/world.ts"

const HOOK = "http://receiver.example/hook"

describe("an event's life", () => {
  it("goes from the request to a signed delivery", async () => {
    const world = await createWorld()
    const registered = await world.fetch("/webhook", { json: { event: "user_registered", url: HOOK } })
    expect(registered.status).toBe(200)
    const { secret } = await registered.json<{ secret: string }>()
    const created = await world.fetch("/users", { json: { username: "Zoë 🦉" } })
    expect(created.status).toBe(200)
    const user = await created.json()
    await world.runAll()
    const [delivery] = world.receivers.to(HOOK)
    expect(delivery?.json).toEqual({ event: "user_registered", data: user })
    expect(verify(secret, delivery)).toEqual(delivery?.json)
  })
})
