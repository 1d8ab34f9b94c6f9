import { sql } from "drizzle-orm"

import type { Deps } from "../../platform/deps.ts"
import { EngineError } from "../kit/errors.ts"
import { budgetOf } from "../pipeline/budget.ts"
import { type Application, getApplication } from "./application.ts"
import { isBuiltIn } from "./built-in.ts"
import { allowWrites, type Move, readMove, STEPS, shardOf } from "./move-steps.ts"
import { STATEMENTS_PER_PAGE } from "./owned.ts"

/** Steps that one call does at most. */
const STEPS_PER_CALL = 100

export interface MoveProgress {
  /** The shard that the application lives in now. */
  shard: number
  /** What is being done; null: nothing any more. */
  step: Move["step"] | null
  /** When to ask for more of it, ms from now. */
  waitMs: number
}

/**
 * Moves an application to another shard, a bounded number of steps at a time: to be called again until `step`
 * is null, after whatever has died. Meanwhile it can be read, but not written, and nothing of it is attempted
 * for the time from `hold` to `leave`. Refuses with `not_found`, `invalid` (no such shard), or `conflict`
 * (built in, on its way elsewhere).
 */
export async function moveApplication(deps: Deps, idOrUid: string, shard: number): Promise<MoveProgress> {
  const application = await getApplication(deps, idOrUid)
  if (isBuiltIn(application.id)) {
    throw new EngineError("conflict", "This application is part of the system and lives with the directory")
  }
  if (!deps.shards[shard]) {
    throw new EngineError(
      "invalid",
      `must be a database that is bound: SHARDS is ${deps.shards.length}, and they count from 0`,
      "shard",
    )
  }
  const before = await readMove(deps, application.id)
  if (before && (before.toShard !== shard || before.step === "cancel")) {
    throw new EngineError(
      "conflict",
      `Its move to shard ${before.toShard} has to end, or be cancelled, first`,
    )
  }
  if (!before && application.shard === shard) {
    await allowWrites(shardOf(deps, shard), application.id)
    return { shard, step: null, waitMs: 0 }
  }
  if (!before) await begin(deps, application, shard)
  return goOn(deps, application)
}

/**
 * Takes a move back that has not come to its last step, in the same manner. Refuses with `not_found`, or with
 * `conflict` once the application lives in its new shard.
 */
export async function cancelMove(deps: Deps, idOrUid: string): Promise<MoveProgress> {
  const application = await getApplication(deps, idOrUid)
  await deps.directory.batch({
    cancelled: sql`
      UPDATE moves SET step = 'cancel', since = ${deps.clock.now()}
      WHERE application_id = ${application.id} AND step IN ('mark', 'hold', 'copy')`,
  })
  const move = await readMove(deps, application.id)
  if (move?.step === "leave") {
    throw new EngineError("conflict", "It has moved already: let the move end, then move it back")
  }
  return goOn(deps, application)
}

async function begin(deps: Deps, { id, shard }: Application, to: number): Promise<void> {
  await deps.directory.batch({
    marked: sql`
      UPDATE applications SET moving_to = ${to}
      WHERE id = ${id} AND shard = ${shard} AND moving_to IS NULL AND removed_at IS NULL`,
    move: sql`
      INSERT INTO moves (application_id, from_shard, to_shard, step, since)
      SELECT id, shard, moving_to, 'mark', ${deps.clock.now()} FROM applications
      WHERE id = ${id} AND moving_to = ${to} AND shard <> ${to} ON CONFLICT DO NOTHING`,
  })
}

/** Does steps until one has to wait, or the budget is used up. */
async function goOn(deps: Deps, application: Application): Promise<MoveProgress> {
  const budget = budgetOf(deps)
  for (let steps = 0; steps < STEPS_PER_CALL; steps++) {
    const move = await readMove(deps, application.id)
    if (!move) break
    if (!budget.affords(STATEMENTS_PER_PAGE + 2)) return progressOf(move, 0)
    const waitMs = await STEPS[move.step](deps, application, move, budget)
    if (waitMs > 0) return progressOf(move, waitMs)
  }
  const move = await readMove(deps, application.id)
  if (move) return progressOf(move, 0)
  return { shard: (await getApplication(deps, application.id)).shard, step: null, waitMs: 0 }
}

function progressOf({ step, fromShard, toShard }: Move, waitMs: number): MoveProgress {
  return { shard: step === "leave" ? toShard : fromShard, step, waitMs }
}
