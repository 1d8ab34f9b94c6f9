import { sql } from "drizzle-orm"

import { idAt } from "../../../db/ids.ts"
import { literal } from "../../../db/literal.ts"
import type { Deps } from "../../../platform/deps.ts"
import { MAX_CLAIMS } from "./processing.ts"
import { APPLICATION, UPLOAD, unfinished } from "./uploads.ts"

export interface Found {
  /** Uploads that wait for somebody to process them, oldest first, and whether somebody has begun who did not end. */
  waiting: { id: string; isBegun: boolean }[]
  /** Uploads given up just now whose bytes are to be discarded. */
  abandoned: { id: string; multipartId: string | null }[]
  /** Uploads that ended as failed after too many claims. */
  poisoned: number
}

/** Selects one upload of each kind that the sweep has to work on. */
export function selectLeftUploads(
  now: number,
  { receivedBefore, endedBefore }: { receivedBefore: number; endedBefore: number },
) {
  return {
    unfinished: sql`
      SELECT 1 FROM uploads WHERE ${unfinished} AND (
        (state = 'receiving' AND id < ${idAt(UPLOAD, receivedBefore)})
        OR (state <> 'receiving' AND (leased_until IS NULL OR leased_until <= ${now}))
      ) LIMIT 1`,
    expired: sql`
      SELECT 1 FROM uploads
      WHERE id < ${idAt(UPLOAD, endedBefore)} AND state IN ('completed', 'failed') LIMIT 1`,
  }
}

/** What crashes and lost jobs left: ends what must end, and tells what is to be done. One batch. */
export async function lookForUploads(
  deps: Deps,
  { receivedBefore, limit }: { receivedBefore: number; limit: number },
): Promise<Found> {
  const now = deps.clock.now()
  const free = sql`state IN ('received', 'processing') AND (leased_until IS NULL OR leased_until <= ${now})`
  const { abandoned, poisoned, waiting } = await deps.shardOf(APPLICATION).batch({
    abandoned: sql`
      UPDATE uploads SET state = 'failed', failure = 'The file did not arrive whole', updated_at = ${now}
      WHERE id IN (
        SELECT id FROM uploads
        WHERE ${unfinished} AND state = 'receiving' AND id < ${idAt(UPLOAD, receivedBefore)}
        ORDER BY id LIMIT ${literal(limit)}
      ) RETURNING id, multipart_id`,
    poisoned: sql`
      UPDATE uploads SET state = 'failed', failure = 'Processing ended ${sql.raw(String(MAX_CLAIMS))} times without a result',
        lease_token = NULL, leased_until = NULL, updated_at = ${now}
      WHERE id IN (
        SELECT id FROM uploads WHERE ${unfinished} AND ${free} AND claims >= ${MAX_CLAIMS} ORDER BY id LIMIT ${literal(limit)}
      ) RETURNING 1`,
    waiting: sql`
      SELECT id, state FROM uploads WHERE ${unfinished} AND ${free} AND claims < ${MAX_CLAIMS}
      ORDER BY id LIMIT ${literal(limit)}`,
  })
  return {
    waiting: waiting.map((row) => ({ id: row.id as string, isBegun: row.state === "processing" })),
    abandoned: abandoned.map(toStored),
    poisoned: poisoned.length,
  }
}

/** The oldest ended uploads from before `before`, for retention. */
export async function listExpiredUploads(deps: Deps, before: number, limit: number) {
  const rows = await deps.shardOf(APPLICATION).read(sql`
    SELECT id, multipart_id FROM uploads
    WHERE id < ${idAt(UPLOAD, before)} AND state IN ('completed', 'failed') ORDER BY id LIMIT ${literal(limit)}`)
  return rows.map(toStored)
}

/** Deletes the rows of uploads whose objects are gone. */
export async function deleteUploads(deps: Deps, ids: readonly string[]): Promise<void> {
  await deps.shardOf(APPLICATION).batch({
    deleted: sql`DELETE FROM uploads WHERE id IN (SELECT value FROM json_each(${JSON.stringify(ids)}))`,
  })
}

function toStored(row: Record<string, unknown>) {
  return { id: row.id as string, multipartId: row.multipart_id as string | null }
}
