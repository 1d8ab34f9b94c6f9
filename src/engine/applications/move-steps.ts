import { sql } from "drizzle-orm"

import type { Db } from "../../db/client.ts"
import { moves } from "../../db/schema/applications.ts"
import { shapeOf } from "../../db/shape.ts"
import type { Deps } from "../../platform/deps.ts"
import type { Budget } from "../pipeline/budget.ts"
import { enqueue } from "../pipeline/jobs.ts"
import { callDrain } from "../pipeline/schedule.ts"
import { type Application, getApplication } from "./application.ts"
import { copyInto } from "./copies.ts"
import { hold, letGo, quietMs } from "./hold.ts"
import { copyPage, countOwned, deletePage, START, STATEMENTS_PER_PAGE } from "./owned.ts"

/** When to look again at what somebody still works on. */
const BUSY_MS = 2_000
/** Requests that have been told where the application was may still read there for as long. */
const READERS_MS = 30_000

const shape = shapeOf(moves)

/**
 * A move, step by step; each is safe to repeat, and to do twice at once.
 * `mark`: the directory says that it is moving. The shard that it leaves has to be told,
 * which keeps writers out.
 * `hold`: whatever has begun comes to its end; then what is owed is leased to nobody for good.
 * `copy`: all that it owns is copied by key. One write in the directory ends this step: the
 * application lives elsewhere.
 * `leave`: what is owed is let go in the new shard; what is left in the old one is deleted.
 * `cancel`: the copies are deleted, what is owed is let go where it was.
 */
export type Move = ReturnType<typeof shape.read>

/** Does something of a step; answers for how long (ms) there is nothing more to do. */
export type Step = (deps: Deps, application: Application, move: Move, budget: Budget) => Promise<number>

export const STEPS: Record<Move["step"], Step> = {
  async mark(deps, application, { fromShard }) {
    const { id, movingTo } = await getApplication(deps, application.id)
    const from = shardOf(deps, fromShard)
    await from.batch({
      copy: copyInto(from, application, deps.clock.now()),
      fence: sql`UPDATE applications SET moving_to = ${movingTo} WHERE id = ${id}`,
    })
    await advance(deps, id, "mark", "hold")
    return 0
  },

  async hold(deps, application, { fromShard, toShard, since }) {
    const now = deps.clock.now()
    const quietAt = since + quietMs(deps)
    if (now < quietAt) return Math.min(quietAt - now, BUSY_MS)
    // Work that renews its lease, page after page, has to give it up: what it records late
    // is kept as attempts.
    const force = now >= quietAt + quietMs(deps)
    const held = await hold(shardOf(deps, fromShard), application.id, now, force)
    if (held !== "held") return held === "more" ? 0 : BUSY_MS
    const to = shardOf(deps, toShard)
    // Of an earlier move that was taken back while somebody was still copying.
    if (await deletePage(to, application.id)) return 0
    await arrive(deps, to, application)
    await advance(deps, application.id, "hold", "copy")
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
      // What retention has deleted, or a late result was added to, behind the copying's back:
      // once more from the start.
      await arrive(deps, to, application)
      await deps.directory.batch({
        again: sql`UPDATE moves SET cursor = NULL WHERE application_id = ${id} AND step = 'copy'`,
      })
      return BUSY_MS
    }
    await allowWrites(to, id)
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
    if (await goOnIn(deps, to, id)) return 0
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
    if (await goOnIn(deps, from, id)) return 0
    await allowWrites(from, id)
    await deps.directory.batch({
      stays: sql`
        UPDATE applications SET moving_to = NULL
        WHERE id = ${id} AND EXISTS (SELECT 1 FROM moves WHERE application_id = ${id} AND step = 'cancel')`,
      done: sql`DELETE FROM moves WHERE application_id = ${id} AND step = 'cancel'`,
    })
    return 0
  },
}

/** Lets a bounded number of what is held in a shard go on there; answers whether there was any. */
async function goOnIn(deps: Deps, db: Db, id: string): Promise<boolean> {
  if (!(await letGo(db, id))) return false
  await enqueue(deps, db, { kind: "catch-up" })
  await callDrain(deps, db)
  return true
}

/** Lets copies in. In the directory's own shard the application's row says so already. */
async function arrive(deps: Deps, to: Db, application: Application): Promise<void> {
  await to.batch({
    copy: copyInto(to, application, deps.clock.now()),
    arriving: sql`UPDATE applications SET moving_to = ${to.shard} WHERE id = ${application.id} AND shard <> ${0}`,
  })
}

/** Takes writes again, and no copies any more. */
export async function allowWrites(db: Db, id: string): Promise<void> {
  await db.batch({
    opened: sql`UPDATE applications SET moving_to = NULL WHERE id = ${id} AND shard = ${db.shard} AND moving_to IS NOT NULL`,
  })
}

/** Ends one step, and begins another. */
async function advance(deps: Deps, id: string, from: Move["step"], to: Move["step"]): Promise<void> {
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

export async function readMove(deps: Deps, id: string): Promise<Move | null> {
  const [row] = await deps.directory.read(sql`
    SELECT ${shape.columns("m")} FROM moves m WHERE m.application_id = ${id}`)
  return row ? shape.read(row) : null
}

export function shardOf(deps: Deps, shard: number): Db {
  const db = deps.shards[shard]
  if (!db) throw new Error(`there is no shard ${shard}: SHARDS must not be lowered`)
  return db
}
