import { describe, expect, it } from "vitest"
import { HOOK, statusOf, worldWithEndpoint } from "../support/endpoint-world.ts"
import { customersDB } from "../support/shards.ts"
import type { World } from "../support/world.ts"
import { callApi } from "./svix.ts"

const MINUTE_MS = 60_000
const SETTINGS = { RETRY_SCHEDULE: "5,5,5" }

const DISABLE = { "webhook-delivery": "disable" }
const ABORT = { "webhook-delivery": "abort-message" }

function answer(status: number, headers: Record<string, string>) {
  return new Response(null, { status, headers })
}

async function endpointOf(world: World) {
  const response = await callApi(world, "/api/v1/app/acme/endpoint/ep")
  return response.json<{ disabled: boolean; disabledReason: string | null }>()
}

async function verdictOf(world: World, message: string) {
  const response = await callApi(world, `/api/v1/app/acme/msg/${message}/verdict`)
  const { data } = await response.json<{
    data: { verdict: string; reason: string | null; explanation: string }[]
  }>()
  return data[0]
}

/** Until when the endpoint is paused, from now (ms). */
async function pauseOf(world: World): Promise<number | null> {
  const until = await customersDB
    .prepare("SELECT paused_until FROM endpoints")
    .first<number | null>("paused_until")
  return until === null ? null : until - world.clock.now()
}

describe("webhook-delivery: disable", () => {
  it("in the first answer disables the endpoint, with its reason, and ends what waits", async () => {
    const { world, send } = await worldWithEndpoint(SETTINGS)
    world.receivers.at(HOOK, 500, answer(500, DISABLE))
    await send("waiting")
    await world.runDue()
    await send("m1")
    await world.runAllWithSweeps(MINUTE_MS)
    expect(await endpointOf(world)).toMatchObject({ disabled: true, disabledReason: "asked" })
    expect(await verdictOf(world, "m1")).toMatchObject({ verdict: "failed", reason: "disabled" })
    expect(await verdictOf(world, "waiting")).toMatchObject({ verdict: "failed", reason: "disabled" })
    const asked = world.receivers.received.length
    await send("later")
    await world.runAllWithSweeps(MINUTE_MS)
    expect(world.receivers.received).toHaveLength(asked)
    expect((await verdictOf(world, "later"))?.explanation).toContain("webhook-delivery: disable")
  })

  it("in a success delivers, and disables", async () => {
    const { world, send } = await worldWithEndpoint(SETTINGS)
    world.receivers.at(HOOK, answer(204, DISABLE))
    await send("m1")
    await world.runDue()
    expect(await statusOf(world, "m1")).toBe("success")
    expect(await endpointOf(world)).toMatchObject({ disabled: true, disabledReason: "asked" })
  })

  it("of one that has been answering 2xx is believed when it is said again, as a 410 is", async () => {
    const { world, send } = await worldWithEndpoint(SETTINGS)
    world.receivers.at(HOOK, 200, answer(204, DISABLE))
    await send("m1")
    await world.runDue()
    await send("m2")
    await world.runDue()
    expect(await endpointOf(world)).toMatchObject({ disabled: false, disabledReason: null })
    await send("m3")
    await world.runDue()
    expect(await endpointOf(world)).toMatchObject({ disabled: true, disabledReason: "asked" })
    expect(await statusOf(world, "m3")).toBe("success")
  })

  it("is forgotten when a success without it comes between", async () => {
    const { world, send } = await worldWithEndpoint(SETTINGS)
    world.receivers.at(HOOK, 200, answer(204, DISABLE), 200, answer(204, DISABLE), 200)
    for (const id of ["m1", "m2", "m3", "m4", "m5"]) {
      await send(id)
      await world.runDue()
    }
    expect(await endpointOf(world)).toMatchObject({ disabled: false })
    expect(world.receivers.received).toHaveLength(5)
  })

  it("counts in a retry, too", async () => {
    const { world, send } = await worldWithEndpoint(SETTINGS)
    world.receivers.at(HOOK, 500, answer(503, DISABLE))
    await send("m1")
    await world.runAllWithSweeps(MINUTE_MS)
    expect(world.receivers.received).toHaveLength(2)
    expect(await endpointOf(world)).toMatchObject({ disabled: true, disabledReason: "asked" })
    expect(await verdictOf(world, "m1")).toMatchObject({ verdict: "failed", reason: "disabled" })
  })

  it("counts in an attempt by hand, be it a success", async () => {
    const { world, svix, send } = await worldWithEndpoint({ RETRY_SCHEDULE: "1" })
    world.receivers.at(HOOK, 500, answer(200, DISABLE))
    await send("m1")
    await world.runDue()
    await svix.messageAttempt.resend("acme", "m1", "ep")
    await world.runDue()
    expect(await statusOf(world, "m1")).toBe("success")
    expect(await endpointOf(world)).toMatchObject({ disabled: true, disabledReason: "asked" })
  })

  it("is told as an operational event", async () => {
    const { world, svix, send } = await worldWithEndpoint(SETTINGS)
    await svix.endpoint.create("operations", { url: "http://operations.example/" })
    world.receivers.at(HOOK, answer(500, DISABLE))
    await send("m1")
    await world.runAll()
    const told = world.receivers
      .to("http://operations.example/")
      .map(({ json }) => (json as { type: string }).type)
    expect(told).toContain("endpoint.disabled")
  })

  it("says nothing in the answer to a ping", async () => {
    const { world } = await worldWithEndpoint(SETTINGS)
    world.pingsWork()
    await world.fetch("/webhook", { json: { event: "user_registered", url: HOOK } })
    for (const headers of [DISABLE, ABORT]) {
      world.receivers.at(HOOK, answer(500, headers))
      expect((await world.fetch("/ping", { method: "POST" })).status).toBe(200)
    }
    const row = await world.env.DB.prepare(
      "SELECT count(*) AS n FROM endpoints WHERE disabled_at IS NOT NULL",
    ).first()
    expect(row).toEqual({ n: 0 })
    expect(world.receivers.to(HOOK)).toHaveLength(2)
  })
})

describe("webhook-delivery: abort-message", () => {
  it("ends the delivery as failed, with its reason, and leaves the endpoint as it is", async () => {
    const { world, send } = await worldWithEndpoint(SETTINGS)
    world.receivers.at(HOOK, answer(422, ABORT), 200)
    await send("m1")
    await world.runAllWithSweeps(5 * MINUTE_MS)
    expect(world.receivers.received).toHaveLength(1)
    expect(await verdictOf(world, "m1")).toMatchObject({ verdict: "failed", reason: "aborted" })
    expect(await endpointOf(world)).toMatchObject({ disabled: false })
    await send("m2")
    await world.runAllWithSweeps(MINUTE_MS)
    expect(await statusOf(world, "m2")).toBe("success")
  })

  it("ends it in a retry, too", async () => {
    const { world, send } = await worldWithEndpoint(SETTINGS)
    world.receivers.at(HOOK, 500, answer(500, ABORT))
    await send("m1")
    await world.runAllWithSweeps(5 * MINUTE_MS)
    expect(world.receivers.received).toHaveLength(2)
    expect(await verdictOf(world, "m1")).toMatchObject({ verdict: "failed", reason: "aborted" })
  })

  it("has no effect on a success", async () => {
    const { world, send } = await worldWithEndpoint(SETTINGS)
    world.receivers.at(HOOK, answer(200, ABORT))
    await send("m1")
    await world.runDue()
    expect(await verdictOf(world, "m1")).toMatchObject({ verdict: "delivered", reason: null })
  })

  it("in an attempt by hand ends the retries that are booked", async () => {
    const { world, svix, send } = await worldWithEndpoint({ RETRY_SCHEDULE: "300" })
    world.receivers.at(HOOK, 500, answer(500, ABORT), 200)
    await send("m1")
    await world.runDue()
    await svix.messageAttempt.resend("acme", "m1", "ep")
    await world.runAllWithSweeps(10 * MINUTE_MS)
    expect(world.receivers.received).toHaveLength(2)
    expect(await verdictOf(world, "m1")).toMatchObject({ verdict: "failed", reason: "aborted" })
    const row = await customersDB.prepare("SELECT due_at FROM endpoints").first()
    expect(row).toEqual({ due_at: null })
  })

  it("leaves the message to be resent", async () => {
    const { world, svix, send } = await worldWithEndpoint(SETTINGS)
    world.receivers.at(HOOK, answer(422, ABORT), 200)
    await send("m1")
    await world.runDue()
    await svix.messageAttempt.resend("acme", "m1", "ep")
    await world.runDue()
    expect(await statusOf(world, "m1")).toBe("success")
  })
})

describe("Retry-After on 429 and 503", () => {
  const RETRY_AFTER = { "retry-after": "600" }

  it.each([429, 503])(
    "of a first attempt (%i) pauses the endpoint: nothing goes there until it is over",
    async (status) => {
      const { world, send } = await worldWithEndpoint(SETTINGS)
      world.receivers.at(HOOK, answer(status, RETRY_AFTER), 200)
      await send("m1")
      await world.runDue()
      expect(await pauseOf(world)).toBe(600_000)
      await send("m2")
      await world.runAllWithSweeps(9 * MINUTE_MS)
      expect(world.receivers.received).toHaveLength(1)
      await world.runAllWithSweeps(2 * MINUTE_MS)
      expect(await Promise.all(["m1", "m2"].map((id) => statusOf(world, id)))).toEqual(["success", "success"])
    },
  )

  it("of a retry pauses it, too", async () => {
    const { world, send } = await worldWithEndpoint(SETTINGS)
    world.receivers.at(HOOK, 500, answer(503, RETRY_AFTER), 200)
    await send("m1")
    await world.runAll(6_000)
    expect(world.receivers.received).toHaveLength(2)
    await send("m2")
    await world.runAllWithSweeps(9 * MINUTE_MS)
    expect(world.receivers.received).toHaveLength(2)
    await world.runAllWithSweeps(2 * MINUTE_MS)
    expect(world.receivers.received).toHaveLength(4)
  })

  it("of an attempt by hand pauses it, too: the retry that is booked waits", async () => {
    const { world, svix, send } = await worldWithEndpoint(SETTINGS)
    world.receivers.at(HOOK, 500, answer(429, RETRY_AFTER), 200)
    await send("m1")
    await world.runDue()
    await svix.messageAttempt.resend("acme", "m1", "ep")
    await world.runDue()
    expect(await pauseOf(world)).toBe(600_000)
    await world.runAllWithSweeps(9 * MINUTE_MS)
    expect(world.receivers.received).toHaveLength(2)
    await world.runAllWithSweeps(2 * MINUTE_MS)
    expect(await statusOf(world, "m1")).toBe("success")
  })

  it("ends the pass that has met it: what else is owed waits as it is, and one write pauses it all", async () => {
    const { world, send } = await worldWithEndpoint(SETTINGS)
    const messages = ["m1", "m2", "m3", "m4", "m5"]
    const dues = () => customersDB.prepare("SELECT next_attempt_at FROM deliveries ORDER BY event_id").raw()
    world.receivers.at(HOOK, 500)
    for (const id of messages) await send(id)
    await world.runDue(true)
    const before = await dues()
    const asked = world.receivers.received.length
    world.receivers.at(HOOK, answer(429, RETRY_AFTER), 200)
    await world.runAll(6_000)
    expect(world.receivers.received.length - asked).toBe(1)
    const after = await dues()
    expect(after.filter(([due], n) => due === before[n]?.[0])).toHaveLength(messages.length - 1)
    await world.runAllWithSweeps(9 * MINUTE_MS)
    expect(world.receivers.received.length - asked).toBe(1)
    await world.runAllWithSweeps(2 * MINUTE_MS)
    for (const id of messages) expect(await statusOf(world, id)).toBe("success")
  })

  it("ends the batch that has met it, for that endpoint alone", async () => {
    const { world, svix, send } = await worldWithEndpoint(SETTINGS)
    await svix.endpoint.create("acme", { url: "http://other.example/" })
    world.receivers.at(HOOK, answer(503, RETRY_AFTER))
    for (let n = 0; n < 10; n++) await send(`m${n}`)
    await world.runDue(true)
    expect(world.receivers.to("http://other.example/")).toHaveLength(10)
    // What was under way at that moment is as many as one endpoint may have at once.
    expect(world.receivers.to(HOOK).length).toBeLessThanOrEqual(2)
  })

  it.each([500, 301, 200])("says nothing on a %i", async (status) => {
    const { world, send } = await worldWithEndpoint(SETTINGS)
    world.receivers.at(HOOK, answer(status, { ...RETRY_AFTER, location: HOOK }))
    await send("m1")
    await world.runDue()
    expect((await pauseOf(world)) ?? 0).toBeLessThan(600_000)
  })

  it("says nothing in the answer to a ping", async () => {
    const { world } = await worldWithEndpoint(SETTINGS)
    world.pingsWork()
    await world.fetch("/webhook", { json: { event: "user_registered", url: HOOK } })
    world.receivers.at(HOOK, answer(503, RETRY_AFTER))
    await world.fetch("/ping", { method: "POST" })
    const row = await world.env.DB.prepare(
      "SELECT count(*) AS n FROM endpoints WHERE paused_until IS NOT NULL",
    ).first()
    expect(row).toEqual({ n: 0 })
  })
})
