import { newId } from "../../db/ids.ts"
import type { Deps } from "../../platform/deps.ts"
import { SLOW_AFTER_MS, turnOf } from "../rules/endpoint-health.ts"
import type { Attempt } from "./attempt.ts"
import { type Budget, REQUESTS_AT_ONCE } from "./budget.ts"
import type { ClaimedDelivery, ClaimedEndpoint } from "./claim.ts"

/**
 * So long a batch waits for answers. What is still open then goes on by itself (`follow`), what has
 * not started is put off.
 */
export const STRAGGLER_AFTER_MS = 2_000
/** So long it waits when all that is open is for endpoints that it need not wait for. */
const IMPATIENT_AFTER_MS = 250
/** So long it waits when other batches wait behind it. */
const BEHIND_AFTER_MS = 500

/** How a pool treats endpoints. */
export interface PoolOptions {
  /** Whether it waits for those that have never taken a delivery, as it does for all but the slow. */
  waitsForUnproven: boolean
  /**
   * Whether other batches wait behind it: then it waits for half a second at most, and an endpoint that takes
   * as long counts as slow.
   */
  isBehind?: boolean
}

/** A request that was still open when its batch ended. */
export interface OpenRequest {
  /** The id that its attempt will have. */
  attemptId: string
  /** How long it counts as having waited by then. */
  waitedMs: number
  /** Never rejects: an attempt has a timeout of its own. */
  attempt: Promise<Attempt>
}

/** What became of what was owed in a pool's time. What is in neither was not started. */
export interface Pooled {
  made: ReadonlyMap<ClaimedDelivery, Attempt>
  open: ReadonlyMap<ClaimedDelivery, OpenRequest>
}

/**
 * Attempts what is owed, as many at once as the invocation has lanes left, in turns (see `inTurns`). Answers
 * when all is done, or after two seconds (see `PoolOptions`), sooner where it would wait for none but those that
 * it need not wait for: then nothing more is started, and what is open is to be handed to `follow`.
 */
export async function attemptAll(
  deps: Deps,
  budget: Budget,
  deliveries: readonly ClaimedDelivery[],
  options: PoolOptions,
  send: Send,
): Promise<Pooled> {
  const turns = inTurns(deliveries, budget.waitedFor)
  const { made, open } = await attemptInTurns(deps, turns, budget.freeLanes(), options, send)
  return { made, open: leaveOpen(deps, budget, open, options) }
}

type Send = (delivery: ClaimedDelivery) => Promise<Attempt>

/** A request that has been started. */
interface Started {
  /** Epoch ms. */
  at: number
  attempt: Promise<Attempt>
}

/**
 * Starts one after the other, as many at once as there are lanes; answers when that is
 * over, as `attemptAll` says.
 */
async function attemptInTurns(
  deps: Deps,
  turns: Turns,
  lanes: number,
  { waitsForUnproven, isBehind = false }: PoolOptions,
  send: Send,
): Promise<{ made: Map<ClaimedDelivery, Attempt>; open: Map<ClaimedDelivery, Started> }> {
  const last = waitsForUnproven ? 1 : 0
  const open = new Map<ClaimedDelivery, Started>()
  const made = new Map<ClaimedDelivery, Attempt>()

  await new Promise<void>((resolve, reject) => {
    let isOver = false
    let isLate = false
    function end(): void {
      isOver = true
      for (const cancel of cancels) cancel()
      resolve()
    }
    function endUnlessWorthwhile(): void {
      const waitsForNone = open.size === 0
      const isImpatient = isLate && [...open.keys()].every(({ endpoint }) => turnOf(endpoint.health) > last)
      if (waitsForNone || isImpatient) end()
    }
    function startMore(): void {
      while (open.size < lanes) {
        const at = deps.clock.now()
        const one = turns.next(at)
        if (!one) break
        const attempt = send(one)
        open.set(one, { at, attempt })
        attempt.then((result) => settle(one, result), reject)
      }
      endUnlessWorthwhile()
    }
    function settle(one: ClaimedDelivery, attempt: Attempt): void {
      if (isOver) return
      open.delete(one)
      made.set(one, attempt)
      turns.ended(one, attempt)
      startMore()
    }
    const cancels = [
      deps.clock.after(isBehind ? BEHIND_AFTER_MS : STRAGGLER_AFTER_MS, end),
      deps.clock.after(IMPATIENT_AFTER_MS, () => {
        isLate = true
        endUnlessWorthwhile()
      }),
    ]
    startMore()
  })
  return { made, open }
}

/**
 * The requests that go on behind the batch, each with the id that its attempt will have, and with its lane.
 */
function leaveOpen(
  deps: Deps,
  budget: Budget,
  open: ReadonlyMap<ClaimedDelivery, Started>,
  { isBehind = false }: PoolOptions,
): Pooled["open"] {
  const now = deps.clock.now()
  return new Map(
    Array.from(open, ([one, { at, attempt }]) => {
      budget.keepLane(one.endpoint.id, attempt)
      const attemptId = newId("attempt", at)
      const renamed = attempt.then((made) => ({ ...made, id: attemptId }))
      const waitedMs = now - at
      const countsAs = isBehind && waitedMs >= BEHIND_AFTER_MS ? STRAGGLER_AFTER_MS : waitedMs
      return [one, { attemptId, waitedMs: countsAs, attempt: renamed }]
    }),
  )
}

interface Turns {
  /** Takes the delivery whose turn it is, if one may start at `now` (epoch ms). */
  next(now: number): ClaimedDelivery | undefined
  ended(delivery: ClaimedDelivery, attempt: Attempt): void
}

/**
 * Whose turn it is among what is owed: proven endpoints go before unproven ones and those before the
 * slow, and of these the one with the fewest open. An endpoint that has never taken a delivery has one
 * open at a time, until it does, and so has one that fails or is slow; any other has its share. Nothing
 * starts after its `startBy`, and nothing more for an endpoint that has taken long, asks for a pause, or
 * is `waitedFor` already.
 */
function inTurns(deliveries: readonly ClaimedDelivery[], waitedFor: ReadonlySet<string>): Turns {
  const waiting = [...deliveries]
  const openAt = new Map<string, number>()
  const spared = new Set(waitedFor)
  const proven = new Set<string>()
  const share = fairShare(deliveries)

  function turnNow({ id, health }: ClaimedEndpoint): number {
    return proven.has(id) ? turnOf({ ...health, provenAt: 0 }) : turnOf(health)
  }
  function mostOf({ id, health }: ClaimedEndpoint): number {
    const isUnwell = health.failingSince !== null || health.slowMs !== null
    return isUnwell || (health.provenAt === null && !proven.has(id)) ? 1 : share
  }
  function count({ endpoint }: ClaimedDelivery, by: number): void {
    openAt.set(endpoint.id, (openAt.get(endpoint.id) ?? 0) + by)
  }

  return {
    next(now) {
      let best: ClaimedDelivery | undefined
      let first = Number.POSITIVE_INFINITY
      for (const one of waiting) {
        const { endpoint } = one
        const open = openAt.get(endpoint.id) ?? 0
        if (now > one.startBy || open >= mostOf(endpoint) || spared.has(endpoint.id)) continue
        const place = turnNow(endpoint) * REQUESTS_AT_ONCE + open
        if (place < first) [best, first] = [one, place]
        if (first === 0) break
      }
      if (best) {
        waiting.splice(waiting.indexOf(best), 1)
        count(best, +1)
      }
      return best
    },
    ended(one, { outcome, durationMs, retryAfterMs }) {
      count(one, -1)
      const { id } = one.endpoint
      if (outcome === "delivered") proven.add(id)
      if (durationMs > SLOW_AFTER_MS || (retryAfterMs ?? 0) > 0) spared.add(id)
    },
  }
}

/** An endpoint that is alone in its batch may use all lanes; of several, each gets a third. */
function fairShare(deliveries: readonly ClaimedDelivery[]): number {
  const endpoints = new Set(deliveries.map(({ endpoint }) => endpoint.id)).size
  return endpoints === 1 ? REQUESTS_AT_ONCE : REQUESTS_AT_ONCE / 3
}
