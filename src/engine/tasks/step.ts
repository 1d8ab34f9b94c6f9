import type { SQL } from "drizzle-orm"

import type { Db, Statement } from "../../db/client.ts"
import type { Deps } from "../../platform/deps.ts"

/** A task as its steps see it. */
export interface TaskAtWork<Input = unknown> {
  applicationId: string
  input: Input
  /** Where the last step has said that the next one begins; null for the first. */
  cursor: string | null
}

/** One step of a task: statements of one batch, into which the runner puts the move of the cursor. */
export interface Step {
  /** Changes a bounded number of rows, each of which counts as processed. */
  change: SQL
  /** A scalar, evaluated behind `change`: where the next step begins; NULL when nothing is left. */
  next: SQL
  /** What is derived from the rows, and does no harm whoever runs it, and however often. */
  derived: readonly Statement[]
}

/** A kind of task: how its steps are made. What it needs to know is in the task's input. */
export interface TaskKind<Input = unknown> {
  /** What a step asks of D1 at most. */
  statements: number
  /** `onlyIf` holds while the step is the runner's to make: without it, `change` must not change anything. */
  step(deps: Deps, task: TaskAtWork<Input>, onlyIf: SQL): Step
  /** Sends jobs for what steps have changed: one statement at most. Losing it costs time, nothing else. */
  wake(deps: Deps, db: Db, task: TaskAtWork<Input>): Promise<void>
}
