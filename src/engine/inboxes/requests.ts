import { sql } from "drizzle-orm"

import { newId } from "../../db/ids.ts"
import { literal } from "../../db/literal.ts"
import { inboxRequests } from "../../db/schema/inboxes.ts"
import { shapeOf } from "../../db/shape.ts"
import type { Deps } from "../../platform/deps.ts"
import { type Page, type PageRequest, toPage, walkOf } from "../kit/page.ts"
import { getInbox, type Inbox } from "./inbox.ts"

const MAX_REQUESTS = 100

const requestShape = shapeOf(inboxRequests)

export type InboxRequest = typeof inboxRequests.$inferSelect

/** Keeps a request, and of those before it the newest, a hundred in all. */
export async function keepRequest(
  deps: Deps,
  inbox: Inbox,
  request: Omit<InboxRequest, "id" | "inboxId" | "receivedAt">,
): Promise<void> {
  const now = deps.clock.now()
  const { method, query, headers, answered, bodyEncoding, bodyTruncated, body } = request
  await deps.directory.batch({
    kept: sql`
      INSERT INTO inbox_requests (id, inbox_id, method, query, headers, answered, received_at, body_encoding, body_truncated, body)
      VALUES (${newId("inboxRequest", now)}, ${inbox.id}, ${method}, ${query}, ${JSON.stringify(headers)}, ${answered}, ${now},
        ${bodyEncoding}, ${Number(bodyTruncated)}, ${body})
      ON CONFLICT DO NOTHING`,
    forgotten: sql`
      DELETE FROM inbox_requests WHERE inbox_id = ${inbox.id} AND id <= (
        SELECT id FROM inbox_requests WHERE inbox_id = ${inbox.id}
        ORDER BY id DESC LIMIT 1 OFFSET ${literal(MAX_REQUESTS)}
      )`,
  })
}

/** A page of what an inbox got. */
export async function listRequests(
  deps: Deps,
  inbox: Inbox,
  request: PageRequest,
): Promise<Page<InboxRequest>> {
  const { behind, order } = walkOf(request, sql`r.id`)
  const rows = await deps.directory.read(sql`
    SELECT ${requestShape.columns("r")} FROM inbox_requests r
    WHERE r.inbox_id = ${inbox.id} AND ${behind} ${order} LIMIT ${request.limit + 1}`)
  return toPage(request, rows.map(requestShape.read))
}

/** Forgets what an inbox got. Refuses with `not_found`. */
export async function clearInbox(deps: Deps, id: string): Promise<void> {
  await getInbox(deps, id)
  await deps.directory.batch({ cleared: sql`DELETE FROM inbox_requests WHERE inbox_id = ${id}` })
}
