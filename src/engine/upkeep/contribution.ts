import type { Db, Row, Statement } from "../../db/client.ts"
import type { Deps } from "../../platform/deps.ts"
import type { Budget } from "../pipeline/budget.ts"
import type { Work } from "../pipeline/jobs.ts"

/** What has been published or asked for so recently has its own job on the way. */
export const JOB_UNDER_WAY_MS = 2_000

/** One sweep of one database. */
export interface Sweep {
  deps: Deps
  db: Db
  at: number
  budget: Budget
}

/** What the looks have found, by name. */
export type Found = Readonly<Record<string, readonly Row[]>>

/**
 * What a noun or a family has the sweep do. All looks are one batch, and what has found nothing is not asked
 * further, so that a minute with nothing to do costs one round trip, however many looks there are.
 */
export interface Upkeep {
  /** The one application that this is about; every database if none is named. */
  application?: string
  /** Whether it is about all shards but the directory's own. */
  beyondDirectory?: boolean
  /** Bounded statements that read only, under names of their own. */
  look(deps: Deps, at: number): Readonly<Record<string, Statement>>
  /** Ends what must not be tried again; answers jobs for what somebody should work on. */
  jobs?(sweep: Sweep, found: Found): Promise<readonly Work[]>
  /** Work of the sweep itself, within its budget; answers what to tell of it, by name. */
  work?(sweep: Sweep, found: Found): Promise<Readonly<Record<string, number>>>
}
