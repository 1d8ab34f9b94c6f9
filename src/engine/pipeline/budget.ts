import type { Db } from "../../db/client.ts"
import type { Deps } from "../../platform/deps.ts"

/**
 * What one invocation may ask of D1: the Free plan allows 50 queries, and may count each statement as one.
 */
export const STATEMENTS_PER_INVOCATION = 50
/**
 * Requests that may wait for response headers: the runtime queues a seventh, and its
 * timer would run meanwhile.
 */
export const REQUESTS_AT_ONCE = 6
/**
 * Statements that are always left for what closes an invocation: giving back what was not done,
 * calling a drain, and a sweep's own end.
 */
const STATEMENTS_IN_RESERVE = 10
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

/**
 * Until when nobody else may make the request of a delivery whose first one is open at `now` (epoch ms): time
 * for it to end, and for recording it.
 */
export function openUntil(deps: Deps, now: number): number {
  return now + deps.config.attemptTimeoutMs + LEASE_RESERVE_MS
}

/** What one invocation may do in all. */
export function budgetOf(deps: Deps): Budget {
  return new Budget(deps.config.attemptsPerInvocation, deps.shards)
}

/**
 * What batches have left open behind them: the endpoint of each request, and the statements that record them.
 */
interface Behind {
  endpointIds: string[]
  statements: number
}

/** The attempts, statements and lanes that an invocation has left, shared by everything that it does. */
export class Budget {
  private readonly askedBefore: number

  /** Of so many attempts; counts what is asked of these databases from now on. */
  constructor(
    private attempts: number,
    private readonly databases: readonly Db[] = [],
    private readonly statements = STATEMENTS_PER_INVOCATION,
    private readonly behind: Behind = { endpointIds: [], statements: 0 },
  ) {
    this.askedBefore = askedOf(databases)
  }

  /**
   * Whether there are so many statements left. Work asks for what it takes to its end, its record among it.
   */
  affords(statements: number): boolean {
    const asked = askedOf(this.databases) - this.askedBefore
    return asked + this.behind.statements + statements + STATEMENTS_IN_RESERVE <= this.statements
  }

  /** Requests that may be made at once, beside those that batches have left open behind them. */
  freeLanes(): number {
    return REQUESTS_AT_ONCE - this.behind.endpointIds.length
  }

  /** Keeps a lane for a request to an endpoint that goes on behind its batch, until that has ended. */
  keepLane(endpointId: string, request: Promise<unknown>): void {
    const { endpointIds } = this.behind
    endpointIds.push(endpointId)
    const end = () => {
      endpointIds.splice(endpointIds.indexOf(endpointId), 1)
    }
    request.then(end, end)
  }

  /** The endpoints that have such a request open. */
  get waitedFor(): ReadonlySet<string> {
    return new Set(this.behind.endpointIds)
  }

  /**
   * Puts statements aside for what is recorded behind a batch, until that has ended: nothing else in
   * this invocation gets them.
   */
  setAside(statements: number, recorded: Promise<unknown>): void {
    this.behind.statements += statements
    const end = () => {
      this.behind.statements -= statements
    }
    recorded.then(end, end)
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
    const statements = this.statements - (askedOf(this.databases) - this.askedBefore)
    return new Budget(part, this.databases, statements, this.behind)
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
