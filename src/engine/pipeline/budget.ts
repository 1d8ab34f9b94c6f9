import type { Deps } from "../../deps.ts"

/** Requests that one invocation may make: the Free plan allows 50 subrequests to the outside. */
export const ATTEMPTS_PER_INVOCATION = 40
/** The runtime lets six requests wait for response headers; a seventh would queue with its timer running. */
const ATTEMPTS_AT_ONCE = 6
const LEASE_RESERVE_MS = 30_000
const RECORDING_RESERVE_MS = 10_000

/** How long a claim holds: time for two attempts in a row and for recording them. */
export function leaseMs(deps: Deps): number {
  return 2 * deps.config.attemptTimeoutMs + LEASE_RESERVE_MS
}

/** The last moment at which an attempt may start under a claim made at `claimedAt`. */
export function lastStart(deps: Deps, claimedAt: number): number {
  return claimedAt + leaseMs(deps) - deps.config.attemptTimeoutMs - RECORDING_RESERVE_MS
}

/** What an invocation has left, shared by everything that it does. */
export class Budget {
  constructor(private attempts = ATTEMPTS_PER_INVOCATION) {}

  get left(): number {
    return this.attempts
  }

  /** Takes one attempt out of the budget; false when there is none left. */
  take(): boolean {
    if (this.attempts === 0) return false
    this.attempts--
    return true
  }
}

/**
 * Runs `work` over the items, six at a time, starting none after `startBy` (epoch ms). Answers the results in
 * the order of the items, undefined for those that were not started.
 */
export async function runLimited<Item, Result>(
  deps: Deps,
  items: readonly Item[],
  startBy: number,
  work: (item: Item) => Promise<Result> | undefined,
): Promise<(Result | undefined)[]> {
  const results: (Result | undefined)[] = new Array(items.length).fill(undefined)
  const queue = items.entries()
  async function lane(): Promise<void> {
    for (const [index, item] of queue) {
      if (deps.clock.now() > startBy) return
      results[index] = await work(item)
    }
  }
  await Promise.all(Array.from({ length: Math.min(ATTEMPTS_AT_ONCE, items.length) }, lane))
  return results
}
