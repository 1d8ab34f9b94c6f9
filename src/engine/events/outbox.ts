import { sql } from "drizzle-orm"

import type { Db } from "../../db/client.ts"
import { literal } from "../../db/literal.ts"
import type { Deps } from "../../platform/deps.ts"
import { OPERATIONS } from "../applications/built-in.ts"
import { enqueue } from "../pipeline/jobs.ts"
import type { Upkeep } from "../upkeep/contribution.ts"
import { insertOperational, nudgeOperations } from "./operational.ts"

/** Operational events that one pass moves. */
const FORWARDED_PER_PASS = 100

/**
 * Moves the oldest operational events of a shard's outbox to `operations`, which lives in the first. What has
 * arrived is known by its id, so a pass that died in between is repeated without a second event. Books
 * another pass behind a full one.
 */
export async function forward(deps: Deps, db: Db): Promise<void> {
  const rows = await db.read(sql`
    SELECT seq, id, event_type, data, created_at FROM outbox ORDER BY seq LIMIT ${literal(FORWARDED_PER_PASS)}`)
  if (rows.length === 0) return
  const home = deps.shardOf(OPERATIONS)
  const { operational } = await home.batch({
    operational: insertOperational(
      sql`
        SELECT value->>'id' AS id, value->>'event_type' AS name, value->>'data' AS data,
          value->>'created_at' AS created_at
        FROM json_each(${JSON.stringify(rows)})`,
      deps.clock.now(),
    ),
  })
  // Numbers are given anew once the table is empty: another pass may have moved what had this one.
  const moved = JSON.stringify(rows.map((row) => [row.seq, row.id]))
  await db.batch({
    moved: sql`DELETE FROM outbox WHERE (seq, id) IN (SELECT value->>0, value->>1 FROM json_each(${moved}))`,
  })
  await nudgeOperations(deps, home, operational)
  if (rows.length === FORWARDED_PER_PASS) await enqueue(deps, db, { kind: "forward" })
}

/** Operational events that are still in the shard where they happened: their job is lost. */
export const outboxUpkeep: Upkeep = {
  beyondDirectory: true,
  look: () => ({ outbox: sql`SELECT 1 FROM outbox LIMIT ${literal(1)}` }),
  jobs: async (_sweep, { outbox = [] }) => (outbox.length === 0 ? [] : [{ kind: "forward" }]),
}
