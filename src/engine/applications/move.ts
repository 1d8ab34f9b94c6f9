import { sql } from "drizzle-orm"

import type { Db } from "../../db/client.ts"
import { moves } from "../../db/schema/applications.ts"
import { shapeOf } from "../../db/shape.ts"
import type { Deps } from "../../platform/deps.ts"
import { EngineError } from "../kit/errors.ts"
import { type Budget, budgetOf } from "../pipeline/budget.ts"
import { enqueue } from "../pipeline/jobs.ts"
import { callDrain } from "../pipeline/schedule.ts"
import { type Application, getApplication } from "./application.ts"
import { isBuiltIn } from "./built-in.ts"
import { copyInto } from "./copies.ts"
import { hold, letGo, quietMs } from "./hold.ts"
import { copyPage, countOwned, deletePage, START, STATEMENTS_PER_PAGE } from "./owned.ts"

/** When to look again at what somebody still works on. */
const BUSY_MS = 2_000
/** Requests that have been told where the application was may still read there for as long. */
const READERS_MS = 30_000
/** Steps that one call does at most. */
const STEPS_PER_CALL = 100

const shape = shapeOf(moves)

/**
 * A move, step by step; each is safe to repeat, and to do twice at once.
 * `mark`: the directory says that it is moving. The shard that it leaves has to be told, which keeps writers out.
 * `hold`: whatever has begun comes to its end; then what is owed is leased to nobody for good.
 * `copy`: all that it owns is copied by key. One write in the directory ends this step: the application lives elsewhere.
 * `leave`: what is owed is let go in the new shard; what is left in the old one is deleted.
 * `cancel`: the copies are deleted, what is owed is let go where it was.
 */
type Move = ReturnType<typeof shape.read>

export interface MoveProgress {
  /** The shard that the application lives in now. */
  shard: number
  /** What is being done; null: nothing any more. */
  step: Move["step"] | null
  /** When to ask for more of it, ms from now. */
  waitMs: number
}

/**
 * Moves an application to another shard, a bounded number of steps at a time: to be called again until `step` is null,
 * after whatever has died. Meanwhile it can be read, but not written, and nothing of it is attempted for the time from
 * `hold` to `leave`. Refuses with `not_found`, `invalid` (no such shard), or `conflict` (built in, on its way elsewhere).
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
    await open(shardOf(deps, shard), application.id)
    return { shard, step: null, waitMs: 0 }
  }
  if (!before) await begin(deps, application, shard)
  return goOn(deps, application)
}

/**
 * Takes a move back that has not come to its last step, in the same manner. Refuses with `not_found`, or with `conflict`
 * once the application lives in its new shard.
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

/** Does something of a step; answers for how long (ms) there is nothing more to do. */
type Step = (deps: Deps, application: Application, move: Move, budget: Budget) => Promise<number>

const STEPS: Record<Move["step"], Step> = {
  async mark(deps, application, { fromShard }) {
    const { id, movingTo } = await getApplication(deps, application.id)
    const from = shardOf(deps, fromShard)
    await from.batch({
      copy: copyInto(from, application, deps.clock.now()),
      fence: sql`UPDATE applications SET moving_to = ${movingTo} WHERE id = ${id}`,
    })
    await step(deps, id, "mark", "hold")
    return 0
  },

  async hold(deps, application, { fromShard, toShard, since }) {
    const now = deps.clock.now()
    const quietAt = since + quietMs(deps)
    if (now < quietAt) return Math.min(quietAt - now, BUSY_MS)
    // Whoever keeps its lease renewed, page after page, has to give it up: what it records late is kept as attempts.
    const force = now >= quietAt + quietMs(deps)
    const held = await hold(shardOf(deps, fromShard), application.id, now, force)
    if (held !== "held") return held === "more" ? 0 : BUSY_MS
    const to = shardOf(deps, toShard)
    // Of an earlier move that was taken back while somebody was still copying.
    if (await deletePage(to, application.id)) return 0
    await arrive(deps, to, application)
    await step(deps, application.id, "hold", "copy")
    return 0
  },

  async copy(deps, application, move, budget) {
    const { id } = application
    const [from, to] = [shardOf(deps, move.fromShard), shardOf(deps, move.toShard)]
    let place = move.cursor ?? START
    for (;;) {
      const next = await copyPage(from, to, id, place, deps.clock.now())
      if (next === null) break
      place = next
      if (!budget.affords(2 * STATEMENTS_PER_PAGE)) {
        await deps.directory.batch({
          moved: sql`
            UPDATE moves SET cursor = ${JSON.stringify(place)} WHERE application_id = ${id} AND step = 'copy'`,
        })
        return 0
      }
    }
    if (await isShort(from, to, id)) {
      // What retention has deleted, or a late result was added to, behind the copying's back: once more from the start.
      await arrive(deps, to, application)
      await deps.directory.batch({
        again: sql`UPDATE moves SET cursor = NULL WHERE application_id = ${id} AND step = 'copy'`,
      })
      return BUSY_MS
    }
    await open(to, id)
    const isCopied = sql`EXISTS (SELECT 1 FROM moves WHERE application_id = ${id} AND step = 'copy')`
    await deps.directory.batch({
      lives: sql`
        UPDATE applications SET shard = ${to.shard}, moving_to = NULL WHERE id = ${id} AND ${isCopied}`,
      left: sql`
        UPDATE moves SET step = 'leave', since = ${deps.clock.now()} WHERE application_id = ${id} AND step = 'copy'`,
    })
    return 0
  },

  async leave(deps, { id }, { fromShard, toShard, since }) {
    const to = shardOf(deps, toShard)
    if (await letGo(to, id)) {
      await enqueue(deps, to, { kind: "catch-up" })
      await callDrain(deps, to)
      return 0
    }
    const left = since + READERS_MS - deps.clock.now()
    if (left > 0) return Math.min(left, BUSY_MS)
    const from = shardOf(deps, fromShard)
    if (await deletePage(from, id)) return 0
    await deps.directory.batch({
      done: sql`DELETE FROM moves WHERE application_id = ${id} AND step = 'leave'`,
    })
    return 0
  },

  async cancel(deps, { id }, { fromShard, toShard }) {
    const [from, to] = [shardOf(deps, fromShard), shardOf(deps, toShard)]
    await to.batch({
      closed: sql`
        UPDATE applications SET moving_to = ${fromShard} WHERE id = ${id} AND moving_to IS NOT NULL`,
    })
    if (await deletePage(to, id)) return 0
    if (await letGo(from, id)) {
      await enqueue(deps, from, { kind: "catch-up" })
      await callDrain(deps, from)
      return 0
    }
    await open(from, id)
    await deps.directory.batch({
      stays: sql`
        UPDATE applications SET moving_to = NULL
        WHERE id = ${id} AND EXISTS (SELECT 1 FROM moves WHERE application_id = ${id} AND step = 'cancel')`,
      done: sql`DELETE FROM moves WHERE application_id = ${id} AND step = 'cancel'`,
    })
    return 0
  },
}

/** Lets copies in. In the directory's own shard the application's row says so already. */
async function arrive(deps: Deps, to: Db, application: Application): Promise<void> {
  await to.batch({
    copy: copyInto(to, application, deps.clock.now()),
    arriving: sql`UPDATE applications SET moving_to = ${to.shard} WHERE id = ${application.id} AND shard <> ${0}`,
  })
}

/** Takes writes again, and no copies any more. */
async function open(db: Db, id: string): Promise<void> {
  await db.batch({
    opened: sql`UPDATE applications SET moving_to = NULL WHERE id = ${id} AND shard = ${db.shard} AND moving_to IS NOT NULL`,
  })
}

async function step(deps: Deps, id: string, from: Move["step"], to: Move["step"]): Promise<void> {
  await deps.directory.batch({
    stepped: sql`
      UPDATE moves SET step = ${to}, since = ${deps.clock.now()} WHERE application_id = ${id} AND step = ${from}`,
  })
}

/** Whether the copies are fewer than what they are of. */
async function isShort(from: Db, to: Db, id: string): Promise<boolean> {
  const [owned, copied] = [await countOwned(from, id), await countOwned(to, id)]
  return owned.some((count, index) => (copied[index] ?? 0) < count)
}

async function readMove(deps: Deps, id: string): Promise<Move | null> {
  const [row] = await deps.directory.read(sql`
    SELECT ${shape.columns("m")} FROM moves m WHERE m.application_id = ${id}`)
  return row ? shape.read(row) : null
}

function shardOf(deps: Deps, shard: number): Db {
  const db = deps.shards[shard]
  if (!db) throw new Error(`there is no shard ${shard}: SHARDS must not be lowered`)
  return db
}
