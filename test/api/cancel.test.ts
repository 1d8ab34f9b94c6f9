import { describe, expect, it } from "vitest"
import { HOOK, statusOf, worldWithEndpoint } from "../support/endpoint-world.ts"
import type { World } from "../support/world.ts"
import { callApi } from "./svix.ts"

const HOUR_MS = 3600_000

async function waiting() {
  const made = await worldWithEndpoint({ RETRY_SCHEDULE: "60,3600" })
  made.world.receivers.at(HOOK, 500)
  await made.send("m1")
  await made.world.runDue()
  return made
}

async function cancel(world: World, message = "m1", endpoint = "ep") {
  const path = `/api/v1/app/acme/msg/${message}/endpoint/${endpoint}/cancel`
  return (await callApi(world, path, { method: "POST" })).status
}

async function verdictOf(world: World, message: string) {
  const answer = await callApi(world, `/api/v1/app/acme/msg/${message}/verdict`)
  return (await answer.json<{ data: { verdict: string; reason: string | null }[] }>()).data[0]
}

describe("canceling a delivery", () => {
  it("ends its retries, says so, and may be asked for twice", async () => {
    const { world } = await waiting()
    expect(await verdictOf(world, "m1")).toMatchObject({ verdict: "pending" })
    expect(await cancel(world)).toBe(204)
    expect(await verdictOf(world, "m1")).toMatchObject({ verdict: "canceled", reason: "by-hand" })
    expect(await cancel(world)).toBe(204)
    await world.runAllWithSweeps(3 * HOUR_MS)
    expect(world.receivers.to(HOOK)).toHaveLength(1)
  })

  it("leaves the endpoint's other deliveries as they are", async () => {
    const { world, send } = await waiting()
    await send("m2")
    await world.runDue()
    expect(await cancel(world)).toBe(204)
    world.receivers.at(HOOK, 200)
    await world.runAllWithSweeps(3 * HOUR_MS)
    expect(await statusOf(world, "m2")).toBe("success")
    expect(
      world.receivers.received.filter(({ json }) => (json as { eventId: string }).eventId === "m1"),
    ).toHaveLength(1)
  })

  it("is not undone by a recovery; a resend sends the message after all", async () => {
    const { world, svix } = await waiting()
    await cancel(world)
    await svix.endpoint.recover("acme", "ep", { since: new Date(world.clock.now() - HOUR_MS) })
    await world.runAll()
    expect(world.receivers.to(HOOK)).toHaveLength(1)
    world.receivers.at(HOOK, 200)
    await svix.messageAttempt.resend("acme", "m1", "ep")
    await world.runAll()
    expect(await verdictOf(world, "m1")).toMatchObject({ verdict: "delivered" })
  })

  it("is refused with 409 where nothing waits, and with 404 where there is nothing", async () => {
    const { world, send } = await waiting()
    world.receivers.at(HOOK, 200)
    await send("m2")
    await world.runAllWithSweeps(3 * HOUR_MS)
    expect(await cancel(world, "m2")).toBe(409)
    expect(await verdictOf(world, "m2")).toMatchObject({ verdict: "delivered" })
    expect(await cancel(world, "m3")).toBe(404)
    expect(await cancel(world, "m2", "none")).toBe(404)
  })
})
