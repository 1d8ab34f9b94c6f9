import type { Db } from "../../db/client.ts"
import type { Deps } from "../../platform/deps.ts"
import { observed } from "./attempt.ts"
import { attemptDue } from "./attempt-due.ts"
import type { Budget } from "./budget.ts"
import { type Claim, claimEndpoints, type Drain } from "./claim-endpoints.ts"
import { drainAlone } from "./drain-alone.ts"
import { enqueue } from "./jobs.ts"
import { ENDPOINTS_PER_PASS } from "./lane.ts"
import type { Pooled } from "./pool.ts"
import { type Due, takePortion, throttledUntil } from "./rates.ts"
import { record } from "./record.ts"
import { callDrain, scheduleDrain } from "./schedule.ts"
import { type DeliveryResult, resultsOf } from "./state.ts"
import { follow } from "./stragglers.ts"

/**
 * Works the retry lane once: claims the most overdue endpoints, in turns by application, attempts due deliveries of each,
 * those of one that fails or is slow one after the other, six at most, and records. Deliveries that must not happen any
 * more (endpoint removed or disabled, subscription gone) end here with their reason. Calls the next drain if more is due,
 * or has one come if something is due soon; not without a `job`, where its caller goes on. Answers how many endpoints it
 * claimed. Throws only before the first request has gone out.
 */
export async function drain(deps: Deps, db: Db, budget: Budget, job: Drain | null = null): Promise<number> {
  const at = deps.clock.now()
  const claim = await claimEndpoints(deps, db, at, Math.min(ENDPOINTS_PER_PASS, budget.left), job)
  const isEmpty = claim.endpointIds.length === 0
  const next = isEmpty ? null : await workClaim(deps, db, budget, claim)
  if (job) await goOn(deps, db, job, claim, next)
  return claim.endpointIds.length
}

/** Attempts what was claimed, records it, and lets the stragglers follow; answers when the endpoints are next due (epoch ms). */
async function workClaim(deps: Deps, db: Db, budget: Budget, claim: Claim): Promise<number | null> {
  const { at, endpointIds } = claim
  const held = { by: "endpoint", token: claim.token } as const
  const ended = claim.due.flatMap(({ delivery, ended }): DeliveryResult[] =>
    ended ? [{ delivery, attempt: null, ended }] : [],
  )
  const unended = claim.due.filter((due) => !due.ended)
  const portion = await takePortion(db, unended, claim.rates, at)
  const isSuspect = ({ delivery }: Due) => claim.suspects.has(delivery.endpoint.id)
  const suspects = portion.due.filter(isSuspect).map(({ delivery }) => delivery)
  const others = portion.due.filter((due) => !isSuspect(due)).map(({ delivery }) => delivery)

  const affordable = others.filter(() => budget.take())
  const together = await attemptDue(deps, budget, affordable)
  const isSent = (due: Due) => together.made.has(due.delivery) || together.open.has(due.delivery)
  const sent = portion.due.filter((due) => isSent(due) || isSuspect(due))
  let next = await record(deps, db, {
    held,
    results: [...ended, ...resultsOf(together)],
    released: suspects.length === 0 ? without(endpointIds, together.open) : [],
    throttled: throttledUntil(sent, portion.usedUntil, at),
  })

  const alone = await drainAlone(deps, db, claim.token, suspects, budget)
  const open = new Map([...together.open, ...alone.open])
  const suspect = alone.unmade
  if (suspects.length > 0) {
    next = await record(deps, db, { held, results: [], released: without(endpointIds, open), suspect })
  }
  // Who has not answered yet holds its endpoint's lease, and nobody else's.
  await follow(deps, budget, open, async (results) => {
    const released = results.map(({ delivery }) => delivery.endpoint.id)
    await scheduleDrain(deps, db, await record(deps, db, { held, results, released, suspect }))
  })
  deps.observe({
    unit: "drain",
    endpointIds,
    attempts: observed([...together.made.values(), ...alone.made]),
    ended: claim.ended + ended.length,
    untouched: others.length - together.made.size - together.open.size,
    open: open.size,
    suspects: suspects.length,
    durationMs: deps.clock.now() - at,
  })
  return next
}

/** Those of the endpoints that have no request open. */
function without(endpointIds: readonly string[], open: Pooled["open"]): string[] {
  const waitedFor = new Set(Array.from(open.keys(), ({ endpoint }) => endpoint.id))
  return endpointIds.filter((id) => !waitedFor.has(id))
}

/**
 * Has the next drain come: at once while there is more, behind whoever had the last turn; else when the first of the
 * endpoints worked here is due, or the first of any if this one was called, as one at a time is. Where the look did not get
 * round, another one goes on with it.
 */
async function goOn(deps: Deps, db: Db, job: Drain, claim: Claim, due: number | null): Promise<void> {
  const { at, lastTurn, left } = claim
  const isMore = left.dueAt !== null && left.dueAt <= at
  const seesToOthers = isMore ? lastTurn !== null : job.isCalled || job.from !== undefined
  const next = earlier(due, seesToOthers ? left.dueAt : null)
  if (next !== null && next <= deps.clock.now()) {
    await callDrain(deps, db, lastTurn)
    return
  }
  await scheduleDrain(deps, db, next)
  if (left.stoppedAt !== null) {
    await enqueue(deps, db, { kind: "drain", from: left.stoppedAt, to: job.to ?? claim.turnBefore })
  }
}

function earlier(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.min(a, b)
}
