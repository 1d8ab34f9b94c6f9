import { env } from "cloudflare:workers"
import { beforeEach, describe, expect, it } from "vitest"

import { forward } from "../../src/engine/events/outbox.ts"
import { consume } from "../../src/queue.ts"
import { svixFor } from "../api/svix.ts"
import { registerHook, registerUser } from "../support/make.ts"
import { customersDB, shards } from "../support/shards.ts"
import { batchOf, createWorld, type World } from "../support/world.ts"

const HOOK = "http://receiver.example/hook"
const OPERATIONS = "http://operations.example/"

let world: World

beforeEach(async () => {
  world = await createWorld()
})

const count = (d1: D1Database, from: string) =>
  d1.prepare(`SELECT count(*) AS n FROM ${from}`).first<number>("n")

it("brings a job for a shard that there is not back to the queue", async () => {
  const batch = batchOf([{ queue: "retries", job: { kind: "drain", shard: 99 }, at: 0 }])
  await consume(batch, world.deps)
  expect(batch.settled).toEqual(["retry"])
})

describe.runIf(shards.length > 1)("with further shards", () => {
  it("an application lives in one of those, with copies of what it needs of the directory", async () => {
    const svix = svixFor(world)
    const { id } = await svix.application.create({ name: "Acme", uid: "acme" })
    await svix.eventType.create({ name: "t", description: "long" })
    await svix.endpoint.create("acme", { url: HOOK, eventTypes: ["t"] })
    await svix.message.create("acme", { eventType: "t", payload: {} })
    await world.runDue()
    expect(world.receivers.to(HOOK)).toHaveLength(1)
    for (const table of ["endpoints", "secrets", "subscriptions", "events", "deliveries"]) {
      expect([table, await count(env.DB, table)]).toEqual([table, 0])
      expect([table, await count(customersDB, table)]).toEqual([table, 1])
    }
    const copy = await customersDB.prepare("SELECT uid, name FROM applications WHERE id = ?").bind(id).first()
    expect(copy).toEqual({ uid: "acme", name: "" })
    await svix.application.patch("acme", { uid: "acme2" })
    expect(await customersDB.prepare("SELECT uid FROM applications WHERE id = ?").bind(id).first("uid")).toBe(
      "acme2",
    )
  })

  it("a batch with jobs of two shards brings back those of the one that is away", async () => {
    const svix = svixFor(world)
    await svix.application.create({ name: "Acme", uid: "acme" })
    await svix.endpoint.create("acme", { url: HOOK })
    await registerHook(world, "http://users.example/")
    await world.runDue()
    await registerUser(world, "ada")
    await svix.message.create("acme", { eventType: "t", payload: {} })
    const away = world.deps.shards.at(-1)
    if (!away) throw new Error("there is no further shard")
    away.batch = () => Promise.reject(new Error("D1 is away"))
    const batch = batchOf(world.queued.splice(0))
    await consume(batch, world.deps)
    expect(batch.settled).toEqual(["ack", "retry"])
    expect(world.receivers.to("http://users.example/")).toHaveLength(1)
  })

  describe("an operational event", () => {
    beforeEach(async () => {
      const svix = svixFor(world)
      await svix.endpoint.create("operations", { url: OPERATIONS })
      await svix.application.create({ name: "Acme", uid: "acme" })
      await svix.endpoint.create("acme", { url: HOOK })
    })

    it("is moved once, however often its job comes", async () => {
      expect(await count(customersDB, "outbox")).toBe(1)
      const from = world.deps.shards.at(-1)
      if (!from) throw new Error("there is no further shard")
      await Promise.all([forward(world.deps, from), forward(world.deps, from)])
      await world.runDue()
      expect(await count(customersDB, "outbox")).toBe(0)
      expect(world.receivers.to(OPERATIONS)).toHaveLength(1)
    })

    it("is moved once although D1 loses the answer of every step", async () => {
      const lost = new Set<string>()
      world.probe.after = ([text = ""]) => {
        if (lost.has(text)) return
        lost.add(text)
        throw new Error("Network connection lost.")
      }
      await world.runDue()
      world.probe.after = null
      await world.runAllWithSweeps(5 * 60_000)
      expect(world.receivers.to(OPERATIONS)).toHaveLength(1)
    })

    it("is found by the sweep when its job is lost, with or without the queue", async () => {
      world.queued.length = 0
      world.queueRefuses = true
      await world.sweep()
      world.queueRefuses = false
      await world.runAllWithSweeps(60_000)
      expect(world.receivers.to(OPERATIONS)).toHaveLength(1)
    })
  })
})
