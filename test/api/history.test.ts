import { beforeEach, describe, expect, it } from "vitest"
import type { StatementCost } from "../support/probe.ts"
import { shards } from "../support/shards.ts"
import { createWorld, type World } from "../support/world.ts"
import { callApi, svixFor } from "./svix.ts"

const HOOK = "http://receiver.example/hook"
const MINUTE_MS = 60_000
const HOUR_MS = 3600_000

let world: World

interface Counts {
  success: number
  fail: number
  results: Record<string, number>
  p50Ms: number | null
  p95Ms: number | null
}
interface History {
  since: string
  until: string
  hours: (Counts & { start: string })[]
  total: Counts & {
    lastSuccessAt: string | null
    lastFailureAt: string | null
    eventTypes: { eventType: string | null; success: number; fail: number }[]
  }
}

beforeEach(async () => {
  world = await createWorld({ RETRY_SCHEDULE: "60" })
  const svix = svixFor(world)
  await svix.application.create({ name: "acme", uid: "acme" })
  await svix.endpoint.create("acme", { url: HOOK, uid: "hook" })
  world.pingsWork()
})

async function ask<T>(path: string): Promise<T> {
  return (await callApi(world, `/api/v1/app/acme/endpoint/hook/${path}`)).json<T>()
}
const history = (query = "") => ask<History>(`history${query}`)
const stats = (query = "") => ask<Record<string, number>>(`attempt-stats${query}`)

async function send(...eventTypes: string[]): Promise<void> {
  for (const eventType of eventTypes) await svixFor(world).message.create("acme", { eventType, payload: {} })
  await world.runDue()
}

/** What is stored of the endpoint: each hour's counts. */
async function storedHours() {
  const { results } = await world.customersDB
    .prepare("SELECT hour, tally FROM endpoint_hours ORDER BY endpoint_id, hour")
    .all<{ hour: number; tally: string }>()
  return results.map(({ hour, tally }) => ({ hour, results: JSON.parse(tally).results }))
}

describe("an endpoint's history", () => {
  it("has every hour of a day, and what has just happened in the last one", async () => {
    world.receivers.at(HOOK, 200, 200, 500)
    await send("a", "a", "b")
    const { since, until, hours, total } = await history()
    expect(hours).toHaveLength(24)
    expect([since, until]).toEqual(["2026-01-14T13:00:00.000Z", "2026-01-15T13:00:00.000Z"])
    expect(hours[0]).toMatchObject({ start: since, success: 0, fail: 0, results: {}, p50Ms: null })
    const counts = { success: 2, fail: 1, results: { "2xx": 2, "5xx": 1 } }
    expect(hours.at(-1)).toMatchObject(counts)
    expect(total).toMatchObject({
      ...counts,
      eventTypes: [
        { eventType: "a", success: 2, fail: 0 },
        { eventType: "b", success: 0, fail: 1 },
      ],
    })
    expect(total.lastFailureAt).not.toBe(null)
  })

  it("says the same before and after the sweep has counted, which it does once, in a row an hour", async () => {
    world.receivers.at(HOOK, 500, 200)
    await send("a", "b")
    await world.runAllWithSweeps(10 * MINUTE_MS)
    const before = await history("?since=2026-01-15T11:00:00Z")
    expect(await storedHours()).toEqual([])
    await world.runAllWithSweeps(HOUR_MS)
    expect(await storedHours()).toEqual([
      { hour: Date.UTC(2026, 0, 15, 12), results: { "2xx": 2, "5xx": 1 } },
    ])
    const after = await history("?since=2026-01-15T11:00:00Z&until=2026-01-15T13:00:00Z")
    expect(after).toEqual(before)
    expect(after.total).toMatchObject({ success: 2, fail: 1 })
  })

  it("counts nothing twice when sweeps die, repeat themselves, or run at once", async () => {
    await send("a", "b")
    await world.sweep()
    world.clock.advance(HOUR_MS + 5 * MINUTE_MS)
    let lost = 0
    world.probe.after = (statements) => {
      if (!statements.some((text) => text.includes("INSERT INTO endpoint_hours")) || lost++ > 0) return
      throw new Error("D1_ERROR: Network connection lost")
    }
    await world.sweep()
    world.probe.after = null
    expect(lost).toBe(2)
    await Promise.all([world.sweep(), world.sweep()])
    world.clock.advance(HOUR_MS)
    await Promise.all([world.sweep(), world.sweep()])
    expect(await storedHours()).toEqual([{ hour: Date.UTC(2026, 0, 15, 12), results: { "2xx": 2 } }])
  })

  it("counts nothing of an hour whose counting has died, and all of it with the next sweep", async () => {
    await send("a")
    await world.sweep()
    world.clock.advance(HOUR_MS + 5 * MINUTE_MS)
    world.probe.before = (statements) => {
      if (statements.some((text) => text.includes("INSERT INTO endpoint_hours"))) throw new Error("gone")
    }
    await world.sweep().catch(() => undefined)
    expect(world.observed.filter(({ unit }) => unit === "fault").map(String)).not.toEqual([])
    world.probe.before = null
    expect(await storedHours()).toEqual([])
    await world.sweep()
    expect(await storedHours()).toMatchObject([{ results: { "2xx": 1 } }])
  })

  it("leaves out pings, and counts attempts by hand", async () => {
    await send("a")
    const [message] = (await svixFor(world).message.list("acme")).data
    await svixFor(world).messageAttempt.resend("acme", message?.id ?? "", "hook")
    await world.runDue()
    expect((await history()).total).toMatchObject({ success: 2, fail: 0 })
  })

  it("of a week is told by hours, and longer ago than 28 days refused", async () => {
    await send("a")
    const { hours, total } = await history("?since=2026-01-08T12:30:00Z")
    expect(hours).toHaveLength(7 * 24 + 1)
    expect(total.success).toBe(1)
    const tooLong = await callApi(world, "/api/v1/app/acme/endpoint/hook/history?since=2025-11-08T12:30:00Z")
    expect(tooLong.status).toBe(400)
  })

  it("is forgotten by retention, hour by hour", async () => {
    await send("a")
    await world.sweep()
    world.clock.advance(2 * HOUR_MS)
    await world.sweep()
    expect(await storedHours()).toHaveLength(1)
    world.clock.advance(8 * 24 * HOUR_MS)
    await world.sweep()
    await world.sweep()
    expect(await storedHours()).toEqual([])
  })

  it("is an application's own", async () => {
    const svix = svixFor(world)
    await svix.application.create({ name: "globex", uid: "globex" })
    const { token } = await svix.authentication.appPortalAccess("globex", {})
    for (const path of ["history", "attempt-stats"]) {
      const answer = await callApi(world, `/api/v1/app/acme/endpoint/hook/${path}`, {
        headers: { authorization: `Bearer ${token}` },
      })
      expect([path, answer.status]).toEqual([path, 403])
    }
  })
})

describe("attempt stats", () => {
  it("are the counts of whole hours, as the newest SDKs ask for them", async () => {
    world.receivers.at(HOOK, 200, 500)
    await send("a", "a")
    expect(await stats()).toEqual({ success: 1, fail: 1, canceled: 0 })
    expect(await stats("?since=2026-01-15T12:30:00Z")).toEqual({ success: 1, fail: 1, canceled: 0 })
    expect(await stats("?until=2026-01-15T12:00:00Z")).toEqual({ success: 0, fail: 0, canceled: 0 })
  })
})

describe("what counting costs", () => {
  it("is a row for each endpoint and hour, and one to move on; nothing in any other minute", async () => {
    await send(...Array.from({ length: 20 }, () => "a"))
    await world.sweep()
    await world.sweep()
    const costs = await costOf(async () => {
      for (let minute = 0; minute < 120; minute++) {
        world.clock.advance(MINUTE_MS)
        await world.sweep()
      }
    })
    const counting = costs.filter(({ sql }) => /endpoint_hours|counting_to/.test(sql))
    // Two hours have passed in each database, and there was something in one of them.
    expect(sum(counting, "rowsWritten")).toBe(1 + 2 * shards.length)
    const perMinute = sum(costs, "rowsRead") / 120
    console.log(`a minute beside counted hours reads ${perMinute.toFixed(1)} rows`)
    expect(perMinute / shards.length).toBeLessThan(40)
  })

  it("is five rows read for each attempt, and twelve for each endpoint, whatever it has", async () => {
    const svix = svixFor(world)
    for (let n = 0; n < 30; n++) await svix.endpoint.create("acme", { url: HOOK, channels: ["other"] })
    await send(...Array.from({ length: 50 }, () => "a"))
    await world.sweep()
    world.clock.advance(HOUR_MS + 5 * MINUTE_MS)
    const costs = await costOf(() => world.sweep())
    const counting = costs.filter(({ sql }) => /AS reached, r.last|endpoint_hours|counting_to/.test(sql))
    console.log(`50 attempts among 31 endpoints are counted in ${sum(counting, "rowsRead")} rows read`)
    expect(sum(counting, "rowsRead")).toBeLessThan(50 * 5 + 31 * 12 + 30)
  })
})

async function costOf(work: () => Promise<unknown>): Promise<StatementCost[]> {
  const costs: StatementCost[] = []
  world.probe.onTrip = (trip) => costs.push(...trip)
  await work()
  world.probe.onTrip = null
  return costs
}

function sum(costs: readonly StatementCost[], figure: "rowsRead" | "rowsWritten"): number {
  return costs.reduce((total, cost) => total + cost[figure], 0)
}
