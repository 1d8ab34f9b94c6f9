import type { Db } from "../../db/client.ts"
import type { Deps } from "../../platform/deps.ts"

/** Requests that one invocation may make: the Free plan allows 50 subrequests to the outside. */
export const ATTEMPTS_PER_INVOCATION = 40
/** What one invocation may ask of D1: the Free plan allows 50 queries, and may count each statement as one. */
export const STATEMENTS_PER_INVOCATION = 50
/** Statements that are always left for what closes an invocation: giving back what was not done, noting the sweep. */
const STATEMENTS_IN_RESERVE = 6
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

/** The attempts and statements that an invocation has left, shared by everything that it does. */
export class Budget {
  private readonly askedBefore: number

  /** Counts what is asked of these databases from now on. */
  constructor(
    private readonly databases: readonly Db[] = [],
    private attempts = ATTEMPTS_PER_INVOCATION,
    private readonly statements = STATEMENTS_PER_INVOCATION,
  ) {
    this.askedBefore = askedOf(databases)
  }

  /** Whether there are so many statements left. Work asks for what it takes to its end, its record among it. */
  affords(statements: number): boolean {
    const asked = askedOf(this.databases) - this.askedBefore
    return asked + statements + STATEMENTS_IN_RESERVE <= this.statements
  }

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
    return new Budget(this.databases, part, this.statements - (askedOf(this.databases) - this.askedBefore))
  }

  /** Takes back what is left of a part. */
  join(part: Budget): void {
    this.attempts += part.attempts
    part.attempts = 0
  }
}

function askedOf(databases: readonly Db[]): number {
  return databases.reduce((sum, db) => sum + db.asked(), 0)
}
