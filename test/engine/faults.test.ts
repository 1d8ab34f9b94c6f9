import { beforeEach, describe, expect, it } from "vitest"

import { createWorld, type World } from "../support/world.ts"

let world: World
beforeEach(async () => {
  world = await createWorld()
})

/** Every read that a user can ask for by one request, with what must be there for it to succeed. */
const READS = [
  "/users",
  "/users/messages?recipient=ada",
  "/webhooks",
  "/invoices",
  "/event_type",
  "/api/v1/app",
  "/api/v1/app/users",
  "/api/v1/app/users/endpoint",
  "/api/v1/app/users/msg",
  "/api/v1/event-type",
]

describe("a passing fault of D1", () => {
  it.each(READS)("does not reach whoever reads %s: each lost question is asked again", async (path) => {
    await world.fetch("/users", { json: { username: "Ada" } })
    const whole = await world.fetch(path)
    expect(whole.status).toBe(200)
    const answer = await whole.text()
    const asked = world.probe.batches
    await world.fetch(path)
    const questions = world.probe.batches - asked
    for (let lost = 0; lost < questions; lost++) {
      let before = lost
      world.probe.before = () => {
        if (before-- === 0) throw new Error("D1_ERROR: Network connection lost.")
      }
      const response = await world.fetch(path)
      expect([response.status, await response.text()]).toEqual([200, answer])
    }
    expect(questions).toBeGreaterThan(0)
  })
})
