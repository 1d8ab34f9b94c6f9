import { env } from "cloudflare:workers"
import { beforeEach, describe, expect, it } from "vitest"

import { svixFor } from "../api/svix.ts"
import { customersDB, shards } from "../support/shards.ts"
import { createWorld, type World } from "../support/world.ts"

const HOOK = "http://receiver.example/hook"
const OWNED = [
  "endpoints",
  "secrets",
  "subscriptions",
  "events",
  "deliveries",
  "attempts",
  "tasks",
  "idempotency_keys",
]

let world: World
let id: string

const count = (d1: D1Database, from: string) =>
  d1.prepare(`SELECT count(*) AS n FROM ${from}`).first<number>("n")

const counts = async (d1: D1Database) =>
  Object.fromEntries(
    await Promise.all(
      OWNED.map(async (table) => {
        // The directory has answers of its own.
        const scope = table === "idempotency_keys" ? ` WHERE instr(scope, '${id}') > 0` : ""
        return [table, await count(d1, table + scope)] as const
      }),
    ),
  )

const NOTHING = Object.fromEntries(OWNED.map((table) => [table, 0]))

interface Progress {
  shard: number
  step: string | null
  waitMs: number
}

async function ask(shard: number, method = "PUT"): Promise<Progress> {
  const response = await world.fetch(`/api/v1/app/acme/shard/${shard}`, { method })
  if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`)
  return response.json()
}

/** Asks, as the script does, until this step is reached; null: the end. Jobs run meanwhile, and the cron. */
async function until(step: string | null, shard: number, method = "PUT"): Promise<Progress> {
  for (let tries = 0; tries < 500; tries++) {
    const move = await ask(shard, method)
    if (move.step === step) return move
    if (move.step === null) throw new Error(`the move is over before ${step}`)
    await world.runAllWithSweeps(move.waitMs)
  }
  throw new Error(`the move never comes to ${step}`)
}

const bodies = () => world.receivers.to(HOOK).map(({ body }) => body)
const svix = () => svixFor(world)
const publish = (n: number, key?: string) =>
  svix().message.create(
    "acme",
    { eventType: "t", eventId: `e${n}`, payload: { n } },
    key ? { idempotencyKey: key } : {},
  )

describe.runIf(shards.length > 1)("moving an application", () => {
  beforeEach(async () => {
    world = await createWorld()
    ;({ id } = await svix().application.create({ name: "Acme", uid: "acme" }))
    await svix().eventType.create({ name: "t", description: "" })
    await svix().endpoint.create("acme", {
      url: HOOK,
      uid: "hook",
      eventTypes: ["t"],
      headers: { "x-one": "1" },
    })
    // Delivered; failed twice and waiting for the third; published and not yet dispatched.
    await publish(1, "key")
    await world.runAll()
    world.receivers.at(HOOK, 500, 500, 200)
    await publish(2)
    await world.runAll(10_000)
    await svix().messageAttempt.resend("acme", "e1", "hook")
    await publish(3)
    world.queued.length = 0
  })

  it("loses nothing, sends nothing twice, and goes on where it was", async () => {
    const before = await counts(customersDB)
    expect(before).toMatchObject({ endpoints: 1, subscriptions: 1, events: 3 })
    expect(before.attempts).toBeGreaterThan(0)
    expect(before.idempotency_keys).toBeGreaterThan(0)
    const secret = await svix().endpoint.getSecret("acme", "hook")
    const leaving = await until("leave", 0)
    expect(leaving.shard).toBe(0)
    expect(await counts(customersDB)).toMatchObject({ endpoints: 1, events: 3 })
    await until(null, 0)
    expect(await counts(customersDB)).toEqual(NOTHING)
    await world.runAllWithSweeps(3600_000)
    await publish(4)
    await world.runAllWithSweeps(60_000)
    expect((await counts(env.DB)).events).toBe(4)
    expect(await counts(customersDB)).toEqual(NOTHING)
    // Once each, and the two failures, and the resend.
    expect(bodies().toSorted()).toEqual([1, 1, 2, 2, 2, 3, 4].map((n) => JSON.stringify({ n })).toSorted())
    expect(await svix().endpoint.getSecret("acme", "hook")).toEqual(secret)
    expect((await svix().endpoint.get("acme", "hook")).eventTypes).toEqual(["t"])
    expect((await publish(1, "key")).eventId).toBe("e1")
    for (const n of [1, 2, 3, 4]) {
      const { data } = await svix().messageAttempt.listAttemptedDestinations("acme", `e${n}`)
      expect(data.map(({ status }) => status)).toEqual([0])
    }
  })

  it("is taken back before its last step, and goes on where it was", async () => {
    const before = await counts(customersDB)
    await until("hold", 0)
    const refused = await world.fetch("/api/v1/app/acme/msg", { json: { eventType: "t", payload: {} } })
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "10"])
    expect(await refused.json()).toMatchObject({ code: "moving" })
    for (const [method, path] of [
      ["PATCH", ""],
      ["DELETE", ""],
      ["DELETE", "/endpoint/hook"],
    ] as const) {
      const init = { method, ...(method === "PATCH" ? { json: { name: "b" } } : {}) }
      expect((await world.fetch(`/api/v1/app/acme${path}`, init)).status).toBe(503)
    }
    expect((await svix().message.list("acme")).data).toHaveLength(3)
    expect((await svix().endpoint.get("acme", "hook")).uid).toBe("hook")
    expect((await world.fetch("/api/v1/app/acme/shard/99", { method: "PUT" })).status).toBe(422)
    await until(null, 0, "DELETE")
    expect(await counts(env.DB)).toEqual(NOTHING)
    expect((await counts(customersDB)).events).toBe(before.events)
    await publish(4)
    await world.runAllWithSweeps(3600_000)
    expect(bodies().toSorted()).toEqual([1, 1, 2, 2, 2, 3, 4].map((n) => JSON.stringify({ n })).toSorted())
  })

  it("leaves the built-in applications where they are", async () => {
    const refused = await world.fetch("/api/v1/app/users/shard/1", { method: "PUT" })
    expect(refused.status).toBe(409)
  })

  it("moves there and back", async () => {
    await until(null, 0)
    await until(null, 1)
    expect(await counts(env.DB)).toEqual(NOTHING)
    await world.runAllWithSweeps(3600_000)
    await publish(4)
    await world.runAllWithSweeps(60_000)
    expect(bodies().filter((body) => body === JSON.stringify({ n: 4 }))).toHaveLength(1)
    expect((await counts(customersDB)).events).toBe(4)
  })

  it("keeps out whoever was told where it was before it moved", async () => {
    // What the directory says is old by the time of the write: as if this request had been told the old shard.
    world.deps.residents.note({ id, uid: "acme", throttleRate: null, shard: 1 })
    await until(null, 0)
    await expect(world.deps.shardOf(id).batch({})).rejects.toThrow("moving to another database")
  })

  it("loses nothing when D1 fails at any of its statements, one after the other", async () => {
    const seen = new Set<string>()
    for (let tries = 0; ; tries++) {
      if (tries > 400) throw new Error("it never ends")
      world.probe.before = (statements) => {
        const text = statements.join(";")
        if (seen.has(text)) return
        seen.add(text)
        throw new Error("D1 has died")
      }
      const response = await world.fetch("/api/v1/app/acme/shard/0", { method: "PUT" })
      world.probe.before = null
      if (!response.ok) continue
      const move = (await response.json()) as Progress
      if (move.step === null) break
      await world.runAllWithSweeps(move.waitMs)
    }
    expect(seen.size).toBeGreaterThan(20)
    expect(await counts(customersDB)).toEqual(NOTHING)
    await world.runAllWithSweeps(3600_000)
    expect(bodies().toSorted()).toEqual([1, 1, 2, 2, 2, 3].map((n) => JSON.stringify({ n })).toSorted())
  })
})
