import { beforeEach, describe, expect, it } from "vitest"

import { lateMs } from "../../src/engine/upkeep/health.ts"
import { createWorld, type World } from "../support/world.ts"
import { svixFor } from "./svix.ts"

const HOUR_MS = 3600_000
const MINUTE_MS = 60_000

interface Attention {
  endpoints: Record<string, unknown>[]
  isComplete: boolean
  stuck: Record<string, unknown>[]
  tasks: Record<string, unknown>[]
  pace: Record<string, number | null>
  health: { status: string; queues: object }
}

let world: World

beforeEach(async () => {
  world = await createWorld({ RETRY_SCHEDULE: "3600,3600" })
})

async function look(): Promise<Attention> {
  const response = await world.fetch("/api/v1/overview/attention")
  expect(response.status).toBe(200)
  return response.json()
}

/** An application with one endpoint, which has got one message. */
async function tenant(uid: string, ...statuses: number[]): Promise<void> {
  const svix = svixFor(world)
  const url = `http://${uid}.example/hook`
  await svix.application.create({ name: uid.toUpperCase(), uid })
  await svix.endpoint.create(uid, { url, uid: "hook" })
  world.receivers.at(url, ...statuses)
  await svix.message.create(uid, { eventType: "thing.made", payload: {} })
  world.clock.advance(1000)
  await world.runDue()
}

describe("what needs a person", () => {
  it("is nothing in a new system, and says how the system is", async () => {
    expect(await look()).toEqual({
      endpoints: [],
      isComplete: true,
      stuck: [],
      tasks: [],
      pace: { eventsPerMinute: 0, deliveriesPerMinute: 0, success: null, lagP50Ms: null, lagP95Ms: null },
      health: await (await world.fetch("/health")).json(),
    })
  })

  it("is every endpoint that fails, is paused or disabled, with its application, host and cause, the newest first", async () => {
    await tenant("well", 200)
    await tenant("bad", 503)
    await tenant("gone", 410)
    await tenant("off", 200)
    await svixFor(world).endpoint.patch("off", "hook", { disabled: true })
    const { endpoints, isComplete } = await look()
    expect(isComplete).toBe(true)
    expect(endpoints).toMatchObject([
      { application: { uid: "off", name: "OFF" }, state: "disabled", cause: "manual" },
      { application: { uid: "gone" }, host: "gone.example", state: "disabled", cause: "gone" },
      {
        application: { uid: "bad" },
        uid: "hook",
        host: "bad.example",
        state: "failing",
        cause: "5xx",
        pending: 1,
        failingSince: expect.any(String),
        nextAttempt: expect.any(String),
      },
    ])
    await svixFor(world).endpoint.delete("off", "hook")
    await svixFor(world).endpoint.patch("gone", "hook", { disabled: false })
    expect((await look()).endpoints).toMatchObject([{ application: { uid: "bad" } }])
  })

  it("is a message that should be on its way by now, and none that has just come in", async () => {
    const svix = svixFor(world)
    await svix.application.create({ name: "Acme", uid: "acme" })
    await svix.endpoint.create("acme", { url: "http://acme.example/" })
    const { id } = await svix.message.create("acme", { eventType: "thing.made", payload: {} })
    world.clock.advance(lateMs(world.deps) - MINUTE_MS)
    await svix.message.create("acme", { eventType: "thing.made", payload: {} })
    world.queued.length = 0
    expect((await look()).stuck).toEqual([])
    world.clock.advance(2 * MINUTE_MS)
    const { stuck, health } = await look()
    expect(stuck).toMatchObject([{ id, application: { uid: "acme" }, eventType: "thing.made" }])
    expect(health.status).toBe("degraded")
  })

  it("is a task that runs, until it is over", async () => {
    await tenant("acme", 410)
    await svixFor(world).endpoint.patch("acme", "hook", { disabled: false })
    const { id } = await svixFor(world).endpoint.recover("acme", "hook", {
      since: new Date(world.clock.now() - HOUR_MS),
    })
    expect((await look()).tasks).toMatchObject([
      { id, application: { uid: "acme" }, task: "endpoint.recover", processed: 0 },
    ])
    await world.runDue()
    expect((await look()).tasks).toEqual([])
  })

  it("tells how fast things go, of all applications together", async () => {
    await tenant("well", 200)
    await tenant("bad", 500)
    expect((await look()).pace).toEqual({
      eventsPerMinute: 2,
      deliveriesPerMinute: 2,
      success: 0.5,
      lagP50Ms: 1000,
      lagP95Ms: 1000,
    })
    world.clock.advance(2 * HOUR_MS)
    expect((await look()).pace).toMatchObject({ eventsPerMinute: 0, success: null })
  })

  it("is told a hundred endpoints at most, and says that there are more", async () => {
    await tenant("acme", 200)
    await world.customersDB
      .prepare(
        `WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 101)
         INSERT INTO endpoints (id, application_id, url, created_at, updated_at, enabled_at, disabled_at, disabled_reason)
         SELECT 'ep_' || i, application_id, url, 1, 1, 1, i, 'failing' FROM c JOIN endpoints WHERE uid = 'hook'`,
      )
      .run()
    const { endpoints, isComplete } = await look()
    expect([endpoints.length, isComplete]).toEqual([100, false])
    expect(endpoints[0]).toMatchObject({ id: "ep_101", cause: "failing" })
  })
})
