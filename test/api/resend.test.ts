import { describe, expect, it } from "vitest"
import { consume } from "../../src/queue.ts"
import { codeOf, HOOK, statusOf, worldWithEndpoint } from "../support/endpoint-world.ts"
import { verify } from "../support/receiver.ts"
import { batchOf } from "../support/world.ts"

const OTHER = "http://other.example/hook"

const MINUTE_MS = 60_000

const LEASE_MS = 61_000

describe("resending", () => {
  async function failed(settings: Record<string, string> = { RETRY_SCHEDULE: "5" }) {
    const made = await worldWithEndpoint(settings)
    const { world, send } = made
    world.receivers.at(HOOK, 500)
    const message = await send("m1")
    await world.runAll(20_000)
    return { ...made, message }
  }

  it("makes one attempt by hand, now, under the message's id; success delivers", async () => {
    const { world, svix, endpoint, message } = await failed()
    expect(await statusOf(world, "m1")).toBe("fail")
    world.receivers.at(HOOK, 200)
    const { key } = await svix.endpoint.getSecret("acme", "ep")
    const before = world.receivers.to(HOOK).length
    await svix.messageAttempt.resend("acme", "m1", "ep")
    await world.runDue()
    const made = world.receivers.to(HOOK).slice(before)
    expect(made).toHaveLength(1)
    expect(made[0]?.headers["webhook-id"]).toBe(message.id)
    expect(verify(key, made[0])).toEqual({ eventId: "m1" })
    expect(await statusOf(world, "m1")).toBe("success")
    const [attempt] = (await svix.messageAttempt.listByMsg("acme", "m1")).data
    expect(attempt).toMatchObject({ triggerType: 1, statusText: "success", endpointId: endpoint.id })
  })

  it("that fails changes neither the status nor the schedule of a delivery that waits", async () => {
    const { world, svix, message } = await failed({ RETRY_SCHEDULE: "5,300" })
    const due = async () => (await svix.messageAttempt.listAttemptedDestinations("acme", "m1")).data
    const before = await due()
    expect(before).toMatchObject([{ statusText: "fail", nextAttempt: expect.any(Date) }])
    await svix.messageAttempt.resend("acme", message.id, "ep")
    await world.runDue()
    expect(world.receivers.to(HOOK)).toHaveLength(3)
    expect(await due()).toEqual(before)
    world.receivers.at(HOOK, 200)
    await world.runAllWithSweeps(6 * MINUTE_MS)
    expect(await statusOf(world, "m1")).toBe("success")
    expect(world.receivers.to(HOOK)).toHaveLength(4)
  })

  it("that succeeds ends the failing of the endpoint: what waits is sent at once", async () => {
    const { world, svix, send } = await failed({ RETRY_SCHEDULE: "5,300" })
    await send("m2")
    await world.runDue()
    await world.runAllWithSweeps(2 * MINUTE_MS)
    world.receivers.at(HOOK, 200)
    await svix.messageAttempt.resend("acme", "m1", "ep")
    await world.runDue()
    await send("m3")
    await world.runDue()
    expect(await statusOf(world, "m3")).toBe("success")
  })

  it("that fails leaves what has failed as it was", async () => {
    const { world, svix } = await failed()
    await svix.messageAttempt.resend("acme", "m1", "ep")
    await world.runAllWithSweeps(10 * MINUTE_MS)
    expect(world.receivers.to(HOOK)).toHaveLength(3)
    expect(await statusOf(world, "m1")).toBe("fail")
  })

  it("reaches an endpoint that the message was never owed to, once", async () => {
    const { world, svix } = await failed()
    await svix.endpoint.create("acme", { url: OTHER, uid: "late", eventTypes: null, channels: ["z"] })
    world.receivers.at(OTHER, 500)
    await svix.messageAttempt.resend("acme", "m1", "late")
    await world.runAllWithSweeps(10 * MINUTE_MS)
    expect(world.receivers.to(OTHER)).toHaveLength(1)
    const failedThere = (await svix.messageAttempt.listAttemptedDestinations("acme", "m1")).data
    expect(failedThere.find(({ uid }) => uid === "late")).toMatchObject({
      statusText: "fail",
      nextAttempt: null,
    })
    world.receivers.at(OTHER, 200)
    await svix.messageAttempt.resend("acme", "m1", "late")
    await world.runDue()
    expect((await svix.messageAttempt.listAttemptedMessages("acme", "late")).data).toMatchObject([
      { eventId: "m1", statusText: "success" },
    ])
  })

  it("before the message is dispatched takes nothing from anybody", async () => {
    const { world, svix, send } = await worldWithEndpoint()
    await svix.endpoint.create("acme", { url: OTHER })
    await world.runDue()
    world.receivers.at(HOOK, 500, 200)
    await send("m1")
    const [dispatch] = world.queued.splice(0)
    await svix.messageAttempt.resend("acme", "m1", "ep")
    await world.runDue()
    expect(world.receivers.to(HOOK)).toHaveLength(1)
    if (dispatch) world.queued.push(dispatch)
    await world.runAllWithSweeps(MINUTE_MS)
    expect(world.receivers.to(OTHER)).toHaveLength(1)
    expect(world.receivers.to(HOOK)).toHaveLength(2)
    const ends = (await svix.messageAttempt.listAttemptedDestinations("acme", "m1")).data
    expect(ends.map(({ statusText }) => statusText)).toEqual(["success", "success"])
  })

  it("survives a lost job, and a consumer that dies before or after sending", async () => {
    const { world, svix } = await failed()
    world.receivers.at(HOOK, 200)
    await svix.messageAttempt.resend("acme", "m1", "ep")
    world.queued.length = 0
    await world.cron()
    await world.runUntilDeath(() => true)
    expect(await statusOf(world, "m1")).toBe("fail")
    await world.cron()
    expect(await world.runDue()).toBe(0)
    world.clock.advance(LEASE_MS)
    await world.cron()
    await world.runDue()
    expect(await statusOf(world, "m1")).toBe("success")
    expect(world.receivers.to(HOOK)).toHaveLength(4)
    await world.cron()
    expect(await world.runDue()).toBe(0)
  })

  it("that a queue refuses is made by the sweep", async () => {
    const { world, svix } = await failed()
    world.receivers.at(HOOK, 200)
    world.queueRefuses = true
    await svix.messageAttempt.resend("acme", "m1", "ep")
    await world.cron()
    expect(await statusOf(world, "m1")).toBe("success")
  })

  it("that is answered 410 disables the endpoint, and says so", async () => {
    const { world, svix } = await failed()
    await svix.endpoint.create("operations", { url: OTHER, eventTypes: ["endpoint.disabled"] })
    world.receivers.at(HOOK, 410)
    await svix.messageAttempt.resend("acme", "m1", "ep")
    await world.runDue()
    expect((await svix.endpoint.get("acme", "ep")).disabled).toBe(true)
    expect(world.receivers.to(OTHER).map(({ json }) => json)).toMatchObject([{ type: "endpoint.disabled" }])
  })

  it("that is answered 410 disables one that has been answering 2xx at the second time alone", async () => {
    const { world, svix } = await failed()
    const resend = async (answer: number) => {
      world.receivers.at(HOOK, answer)
      world.clock.advance(1)
      await svix.messageAttempt.resend("acme", "m1", "ep")
      await world.runDue()
      return (await svix.endpoint.get("acme", "ep")).disabled
    }
    expect(await resend(200)).toBe(false)
    expect(await resend(410)).toBe(false)
    expect(await resend(200)).toBe(false)
    expect(await resend(410)).toBe(false)
    expect(await resend(410)).toBe(true)
  })

  it("whose job comes twice is one attempt; asked twice, one after the other, it is two", async () => {
    const { world, svix } = await failed()
    await svix.messageAttempt.resend("acme", "m1", "ep")
    const jobs = world.queued.splice(0)
    await Promise.all([consume(batchOf(jobs), world.deps), consume(batchOf(jobs), world.deps)])
    await world.settled()
    expect(world.receivers.to(HOOK)).toHaveLength(3)
    world.clock.advance(1)
    await svix.messageAttempt.resend("acme", "m1", "ep")
    await world.runDue()
    expect(world.receivers.to(HOOK)).toHaveLength(4)
  })

  it("asked for again while one is being made is made too", async () => {
    const { world, svix } = await failed()
    let answer: (status: number) => void = () => {}
    const waiting = new Promise<number>((resolve) => {
      answer = resolve
    })
    world.receivers.at(HOOK, () => waiting, 500)
    await svix.messageAttempt.resend("acme", "m1", "ep")
    const working = world.runDue()
    await expect.poll(() => world.receivers.to(HOOK).length).toBe(3)
    world.clock.advance(1000)
    await svix.messageAttempt.resend("acme", "m1", "ep")
    answer(500)
    await working
    await world.runDue()
    expect(world.receivers.to(HOOK)).toHaveLength(4)
  })

  it("that kills whoever makes it is given up after an hour", async () => {
    const { world, svix } = await failed()
    await svix.endpoint.create("acme", { url: OTHER, uid: "late" })
    await svix.messageAttempt.resend("acme", "m1", "late")
    await world.runUntilDeath(() => true)
    world.clock.advance(60 * MINUTE_MS)
    await world.cron()
    await world.runDue()
    expect(world.receivers.to(OTHER)).toHaveLength(1)
    const row = await world.customersDB
      .prepare("SELECT status, reason FROM deliveries ORDER BY created_at DESC")
      .first()
    expect(row).toEqual({ status: "failed", reason: "internal" })
  })

  it("is refused with 409 for a disabled endpoint and without a payload, with 404 for what is not there", async () => {
    const { world, svix } = await failed()
    const sent = world.receivers.to(HOOK).length
    await svix.endpoint.patch("acme", "ep", { disabled: true })
    expect(await codeOf(svix.messageAttempt.resend("acme", "m1", "ep"))).toBe(409)
    await svix.endpoint.patch("acme", "ep", { disabled: false })
    await svix.message.expungeContent("acme", "m1")
    expect(await codeOf(svix.messageAttempt.resend("acme", "m1", "ep"))).toBe(409)
    expect(await codeOf(svix.messageAttempt.resend("acme", "none", "ep"))).toBe(404)
    expect(await codeOf(svix.messageAttempt.resend("acme", "m1", "none"))).toBe(404)
    await world.runAllWithSweeps(MINUTE_MS)
    expect(world.receivers.to(HOOK)).toHaveLength(sent)
  })

  it("sends nothing once the endpoint is disabled or deleted, or the payload gone, before the job comes", async () => {
    for (const change of [
      ({ svix }: Awaited<ReturnType<typeof failed>>) => svix.endpoint.patch("acme", "ep", { disabled: true }),
      ({ svix }: Awaited<ReturnType<typeof failed>>) => svix.endpoint.delete("acme", "ep"),
      ({ svix }: Awaited<ReturnType<typeof failed>>) => svix.message.expungeContent("acme", "m1"),
    ]) {
      const made = await failed()
      const sent = made.world.receivers.to(HOOK).length
      await made.svix.messageAttempt.resend("acme", "m1", "ep")
      await change(made)
      await made.world.runAllWithSweeps(MINUTE_MS)
      expect(made.world.receivers.to(HOOK)).toHaveLength(sent)
      await made.world.cron()
      expect(await made.world.runDue()).toBe(0)
    }
  })
})
