import type { Deps } from "../../deps.ts"

/** Requests that one invocation may make: the Free plan allows 50 subrequests to the outside. */
export const ATTEMPTS_PER_INVOCATION = 40
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

/** The attempts that an invocation has left, shared by everything that it does. */
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

  /** Puts `attempts` aside in a budget of their own, as far as there are so many. */
  split(attempts: number): Budget {
    const part = Math.min(attempts, this.attempts)
    this.attempts -= part
    return new Budget(part)
  }

  /** Takes back what is left of a part. */
  join(part: Budget): void {
    this.attempts += part.attempts
    part.attempts = 0
  }
}
