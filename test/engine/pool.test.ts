import { describe, expect, it } from "vitest"

import type { Attempt } from "../../src/engine/pipeline/attempt.ts"
import { Budget } from "../../src/engine/pipeline/budget.ts"
import type { ClaimedDelivery } from "../../src/engine/pipeline/claim.ts"
import { attemptAll, STRAGGLER_AFTER_MS } from "../../src/engine/pipeline/pool.ts"
import type { Health } from "../../src/engine/rules/endpoint-health.ts"
import { createWorld } from "../support/world.ts"

// Who is asked when, and how long a batch waits: the pool by itself, with requests that end when they are told to.

const PROVEN: Partial<Health> = { provenAt: 1 }
const UNPROVEN: Partial<Health> = {}
const SLOW: Partial<Health> = { provenAt: 1, slowMs: 2_000 }
const FAILING = { ...PROVEN, failingSince: 1 }

function deliveryTo(endpointId: string, health: Partial<Health>, n: number): ClaimedDelivery {
  const unknown: Health = {
    provenAt: null,
    failingSince: null,
    slowMs: null,
    pausedUntil: null,
    goneAt: null,
  }
  return {
    event: { id: `evt_${n}`, applicationId: "app_pool", payload: "{}", contentType: null },
    endpoint: {
      id: endpointId,
      url: `http://${endpointId}.example/`,
      headers: null,
      secrets: [],
      rate: null,
      enabledAt: 1,
      health: { ...unknown, ...health },
    },
    attempts: 0,
    claims: 0,
    startBy: Number.POSITIVE_INFINITY,
  }
}

/** A pool at work; requests end when `answer` is called. */
async function poolOf(
  deliveries: readonly ClaimedDelivery[],
  { waitsForUnproven = true, budget = new Budget(40) } = {},
) {
  const world = await createWorld()
  const started: string[] = []
  const open: { id: string; answer: (attempt: Attempt) => void }[] = []
  let isOver = false
  const work = attemptAll(world.deps, budget, deliveries, { waitsForUnproven }, ({ endpoint: { id } }) => {
    started.push(id)
    return new Promise((answer) => open.push({ id, answer }))
  }).finally(() => {
    isOver = true
  })
  const turn = () => new Promise((passed) => setTimeout(passed, 0))
  return {
    /** The endpoints in the order in which they were asked. */
    started,
    work,
    /** The endpoint's earliest open request ends. */
    async answer(id: string, made: Partial<Attempt> = {}) {
      const [request] = open.splice(
        open.findIndex((one) => one.id === id),
        1,
      )
      const attempt = { outcome: "delivered", durationMs: 10, retryAfterMs: null, at: 0, ...made }
      request?.answer(attempt as Attempt)
      await turn()
    },
    async isOverAfter(ms: number) {
      world.clock.advance(ms)
      await turn()
      return isOver
    },
  }
}

const times = (n: number, make: (n: number) => ClaimedDelivery) =>
  Array.from({ length: n }, (_, n) => make(n))

describe("whose turn it is", () => {
  it("goes round: whoever has the fewest open, and nobody more than a share", async () => {
    const deliveries = [
      ...times(4, (n) => deliveryTo("a", PROVEN, n)),
      ...times(4, (n) => deliveryTo("b", PROVEN, n)),
      ...times(1, (n) => deliveryTo("c", PROVEN, n)),
    ]
    const { started, answer } = await poolOf(deliveries)
    expect(started).toEqual(["a", "b", "c", "a", "b"])
    await answer("c")
    expect(started).toEqual(["a", "b", "c", "a", "b"])
    await answer("b")
    await answer("a")
    expect(started.slice(5)).toEqual(["b", "a"])
  })

  it("is that of the proven, then that of the unproven, then that of the slow, these one at a time each", async () => {
    const deliveries = [
      ...times(2, (n) => deliveryTo("slow", SLOW, n)),
      ...times(3, (n) => deliveryTo("new", UNPROVEN, n)),
      ...times(3, (n) => deliveryTo("well", PROVEN, n)),
    ]
    const { started, answer } = await poolOf(deliveries)
    expect(started).toEqual(["well", "well", "new", "slow"])
    await answer("new", { outcome: "retry" })
    expect(started.slice(4)).toEqual(["new"])
    await answer("well")
    expect(started.slice(5)).toEqual(["well"])
  })

  it("is an unproven one's like any other's once it has taken a delivery", async () => {
    const { started, answer } = await poolOf(times(5, (n) => deliveryTo("new", UNPROVEN, n)))
    expect(started).toHaveLength(1)
    await answer("new")
    expect(started).toHaveLength(5)
  })

  it.each<[string, Partial<Attempt>]>([
    ["has taken long", { durationMs: 1_501 }],
    ["asks for a pause", { outcome: "retry", retryAfterMs: 1 }],
  ])("is not that of an endpoint that %s", async (_what, made) => {
    const { started, answer, work } = await poolOf(times(3, (n) => deliveryTo("a", FAILING, n)))
    await answer("a", made)
    expect(started).toHaveLength(1)
    expect((await work).made.size).toBe(1)
  })

  it("is not that of an endpoint that a batch before in this invocation still waits for", async () => {
    const budget = new Budget(40)
    budget.keepLane("a", new Promise(() => {}))
    const { started } = await poolOf([deliveryTo("a", PROVEN, 1), deliveryTo("b", PROVEN, 1)], { budget })
    expect(started).toEqual(["b"])
  })
})

describe("how long a batch waits", () => {
  it.each<[string, ClaimedDelivery[], number]>([
    ["two seconds for one that is not known to be slow", [deliveryTo("a", PROVEN, 1)], STRAGGLER_AFTER_MS],
    ["two seconds for one that nobody knows", [deliveryTo("a", UNPROVEN, 1)], STRAGGLER_AFTER_MS],
    ["a quarter of one for those that are slow", [deliveryTo("a", SLOW, 1), deliveryTo("b", SLOW, 1)], 250],
    [
      "two seconds for both kinds",
      [deliveryTo("a", SLOW, 1), deliveryTo("b", PROVEN, 1)],
      STRAGGLER_AFTER_MS,
    ],
  ])("is %s", async (_what, deliveries, ms) => {
    const { isOverAfter, work } = await poolOf(deliveries)
    expect(await isOverAfter(ms - 1)).toBe(false)
    expect(await isOverAfter(1)).toBe(true)
    const { made, open } = await work
    expect([made.size, open.size]).toEqual([0, deliveries.length])
  })

  it.each<[string, ClaimedDelivery[], number]>([
    ["nobody knows", [deliveryTo("a", UNPROVEN, 1), deliveryTo("b", SLOW, 1)], 250],
    ["has taken a delivery", [deliveryTo("a", UNPROVEN, 1), deliveryTo("b", PROVEN, 1)], STRAGGLER_AFTER_MS],
  ])("is up to who asks, for an endpoint that %s", async (_what, deliveries, ms) => {
    const { isOverAfter } = await poolOf(deliveries, { waitsForUnproven: false })
    expect(await isOverAfter(ms - 1)).toBe(false)
    expect(await isOverAfter(1)).toBe(true)
  })

  it("is over when the last one that is not slow has answered, with a quarter of a second gone", async () => {
    const { answer, isOverAfter } = await poolOf([deliveryTo("a", SLOW, 1), deliveryTo("b", PROVEN, 1)])
    expect(await isOverAfter(1_000)).toBe(false)
    await answer("b")
    expect(await isOverAfter(0)).toBe(true)
  })
})
