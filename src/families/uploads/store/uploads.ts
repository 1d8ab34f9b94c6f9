import { sql } from "drizzle-orm"

import { newId } from "../../../db/ids.ts"
import { literal } from "../../../db/literal.ts"
import { shapeOf } from "../../../db/shape.ts"
import { type Page, type PageRequest, toPage, walkOf } from "../../../engine/kit/page.ts"
import type { Deps } from "../../../platform/deps.ts"
import { uploads } from "../schema.ts"

/** The id of application C, file uploads. */
export const APPLICATION = "app_uploads"
/** For the ids of uploads. */
export const UPLOAD = { prefix: "upl" }

/** As the index of them says it. */
export const unfinished = sql`state in ('receiving', 'received', 'processing')`

export type Upload = typeof uploads.$inferSelect
const shape = shapeOf(uploads)

/** The newest uploads, at most so many. */
export async function listNewestUploads(deps: Deps, most: number): Promise<Upload[]> {
  const rows = await deps.shardOf(APPLICATION).read(sql`
    SELECT ${shape.columns("u")} FROM uploads u WHERE u.id > '' ORDER BY u.id DESC LIMIT ${literal(most)}`)
  return rows.map(shape.read)
}

/** Notes an upload before its first byte is stored, so that no object is without a row. Answers its id. */
export async function beginUpload(
  deps: Deps,
  { endpointId, fileName, contentType }: Pick<Upload, "endpointId" | "fileName" | "contentType">,
): Promise<string> {
  const now = deps.clock.now()
  const id = newId(UPLOAD, now)
  await deps.shardOf(APPLICATION).batch({
    begun: sql`
      INSERT INTO uploads (id, endpoint_id, state, file_name, content_type, created_at, updated_at)
      VALUES (${id}, ${endpointId}, 'receiving', ${fileName}, ${contentType}, ${now}, ${now})
      ON CONFLICT DO NOTHING`,
  })
  return id
}

/** Notes R2's id of the unfinished multipart upload, so that the sweep can abort it. */
export async function noteMultipart(deps: Deps, id: string, multipartId: string): Promise<void> {
  await deps.shardOf(APPLICATION).batch({
    noted: sql`UPDATE uploads SET multipart_id = ${multipartId} WHERE id = ${id} AND state = 'receiving'`,
  })
}

/**
 * Marks the file received, and answers whether it is the only one that nobody has begun to process; null when the sweep
 * has given the upload up meanwhile.
 */
export async function finishUpload(
  deps: Deps,
  id: string,
  { size, sha256 }: { size: number; sha256: string },
): Promise<{ isOnly: boolean } | null> {
  const { found } = await deps.shardOf(APPLICATION).batch({
    received: sql`
      UPDATE uploads SET state = 'received', size = ${size}, sha256 = ${sha256}, multipart_id = NULL,
        updated_at = ${deps.clock.now()}
      WHERE id = ${id} AND state = 'receiving'`,
    found: sql`
      SELECT NOT EXISTS (SELECT 1 FROM uploads WHERE ${unfinished} AND state = 'received' AND id <> ${id}) AS is_only
      FROM uploads WHERE id = ${id} AND state IN ('received', 'processing', 'completed')`,
  })
  const [row] = found
  return row ? { isOnly: row.is_only === 1 } : null
}

/** Forgets an upload that was refused; nothing of it is stored. */
export async function dropUpload(deps: Deps, id: string): Promise<void> {
  await deps
    .shardOf(APPLICATION)
    .batch({ dropped: sql`DELETE FROM uploads WHERE id = ${id} AND state = 'receiving'` })
}

/** An upload that clients know of: its file has arrived, or was given up. */
export type ArrivedUpload = Upload & { state: Exclude<Upload["state"], "receiving"> }

/** The upload with this id, once it has arrived; else null. */
export async function getUpload(deps: Deps, id: string): Promise<ArrivedUpload | null> {
  const [row] = await deps
    .shardOf(APPLICATION)
    .read(sql`SELECT ${shape.columns("u")} FROM uploads u WHERE u.id = ${id} AND u.state <> 'receiving'`)
  return row ? (shape.read(row) as ArrivedUpload) : null
}

/** The uploads that have arrived, a page at a time. */
export async function listUploads(deps: Deps, request: PageRequest): Promise<Page<ArrivedUpload>> {
  const { behind, order } = walkOf(request, sql`u.id`)
  const rows = await deps.shardOf(APPLICATION).read(sql`
    SELECT ${shape.columns("u")} FROM uploads u
    WHERE ${behind} AND u.state <> 'receiving' ${order} LIMIT ${request.limit + 1}`)
  return toPage(
    request,
    rows.map((row) => shape.read(row) as ArrivedUpload),
  )
}
