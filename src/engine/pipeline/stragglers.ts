import type { Deps } from "../../platform/deps.ts"
import { whileOpen } from "../rules/endpoint-health.ts"
import { observed } from "./attempt.ts"
import type { Budget } from "./budget.ts"
import type { ClaimedDelivery } from "./claim.ts"
import type { OpenRequest } from "./pool.ts"
import type { DeliveryResult } from "./state.ts"

/** How long the platform lets `waitUntil` go on behind a batch is 30 s; recording takes its part of that. */
const BACKGROUND_MS = 20_000
/** Records that the stragglers of one batch get at most: those that end later share the last one. */
const RECORDS = 3
/** What one of these records asks of D1. */
const STATEMENTS_PER_RECORD = 6

/**
 * Sees the requests that were open when their batch ended through to their end, under `waitUntil`: each is
 * given to `recordEnded` when its answer or its timeout has come, together with those that end close by.
 * Call it when the batch is recorded. Resolves at once; only where a timeout is longer than `waitUntil`
 * lasts, when all is done.
 */
export async function follow(
  deps: Deps,
  budget: Budget,
  open: ReadonlyMap<ClaimedDelivery, OpenRequest>,
  recordEnded: (ended: readonly DeliveryResult[]) => Promise<void>,
): Promise<void> {
  if (open.size === 0) return
  const records = budget.affords(RECORDS * STATEMENTS_PER_RECORD) ? Math.min(RECORDS, open.size) : 1
  const recorded = seeThrough(deps, open, records, recordEnded)
  budget.setAside(records * STATEMENTS_PER_RECORD, recorded)
  await goOnBehind(deps, deps.config.attemptTimeoutMs, recorded)
}

/**
 * Lets work that waits for receivers, `timeoutMs` at most, go on behind its batch under `waitUntil`. Resolves
 * at once; only where that is longer than `waitUntil` lasts, when the work is done. Never throws: what is
 * unrecorded is found like what a crash leaves behind.
 */
export async function goOnBehind(deps: Deps, timeoutMs: number, work: Promise<void>): Promise<void> {
  const done = work.catch((error) =>
    deps.observe({ unit: "fault", during: "stragglers", error: String(error) }),
  )
  deps.waitUntil(done)
  if (timeoutMs > BACKGROUND_MS) await done
}

async function seeThrough(
  deps: Deps,
  open: ReadonlyMap<ClaimedDelivery, OpenRequest>,
  records: number,
  recordEnded: (ended: readonly DeliveryResult[]) => Promise<void>,
): Promise<void> {
  const at = deps.clock.now()
  const waiting = new Set<Promise<void>>()
  const ended: DeliveryResult[] = []
  for (const [delivery, { attempt, waitedMs }] of open) {
    const end = attempt.then((made) => {
      waiting.delete(end)
      ended.push({ delivery: asRecorded(delivery, waitedMs), attempt: made })
    })
    waiting.add(end)
  }
  for (let left = records; waiting.size > 0 || ended.length > 0; left--) {
    if (left === 1) await Promise.all(waiting)
    else if (ended.length === 0) await Promise.race(waiting)
    const results = ended.splice(0)
    await recordEnded(results)
    deps.observe({
      unit: "stragglers",
      attempts: observed(results.flatMap(({ attempt }) => attempt ?? [])),
      durationMs: deps.clock.now() - at,
    })
  }
}

/** Its batch has recorded that it was open: what follows from its answer follows from that. */
function asRecorded(delivery: ClaimedDelivery, waitedMs: number): ClaimedDelivery {
  const { endpoint } = delivery
  return { ...delivery, endpoint: { ...endpoint, health: whileOpen(endpoint.health, waitedMs) } }
}
