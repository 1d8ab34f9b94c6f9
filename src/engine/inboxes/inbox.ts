import { sql } from "drizzle-orm"

import { literal } from "../../db/literal.ts"
import { inboxes } from "../../db/schema/inboxes.ts"
import { shapeOf } from "../../db/shape.ts"
import type { Deps } from "../../platform/deps.ts"
import { seal, unseal } from "../kit/encryption.ts"
import { EngineError, notFound } from "../kit/errors.ts"
import { requireSpaceIn } from "../upkeep/space.ts"

export const MAX_INBOXES = 20
const LIFE_MS = 24 * 3600 * 1000

const shape = shapeOf(inboxes)

export type Inbox = typeof inboxes.$inferSelect

/** How an inbox answers what comes. */
export type InboxAnswer = Pick<Inbox, "status" | "retryAfterSeconds" | "delayMs" | "hangs">

/** What can be said of an inbox; the secret null takes away the one it had. */
export type InboxChange = Partial<InboxAnswer> & { secret?: string | null }

/**
 * Makes an inbox that lives for a day. Refuses with `limit_reached` beside twenty others,
 * and with `storage_full`.
 */
export async function createInbox(
  deps: Deps,
  { origin, secret = null, ...answer }: InboxAnswer & { origin: string; secret?: string | null },
): Promise<Inbox> {
  await requireSpaceIn(deps, deps.directory)
  const now = deps.clock.now()
  // All of its bits are random: the id is what its URL is kept secret by.
  const id = `ibx_${crypto.getRandomValues(new Uint8Array(16)).toHex()}`
  const sealed = secret === null ? null : await seal(deps.config, secret)
  const { made } = await deps.directory.batch({
    created: sql`
      INSERT INTO inboxes (id, origin, secret, status, retry_after_seconds, delay_ms, hangs, created_at, expires_at)
      SELECT ${id}, ${origin}, ${sealed}, ${answer.status}, ${answer.retryAfterSeconds}, ${answer.delayMs},
        ${Number(answer.hangs)}, ${now}, ${now + LIFE_MS}
      WHERE (SELECT count(*) FROM inboxes WHERE expires_at > ${now}) < ${literal(MAX_INBOXES)}
      ON CONFLICT DO NOTHING`,
    made: sql`SELECT ${shape.columns("i")} FROM inboxes i WHERE i.id = ${id}`,
  })
  const [row] = made
  if (!row) {
    throw new EngineError(
      "limit_reached",
      `There are ${MAX_INBOXES} inboxes already: delete one, or wait until one is a day old`,
    )
  }
  return shape.read(row)
}

/** All inboxes there are, the newest first. */
export async function listInboxes(deps: Deps): Promise<Inbox[]> {
  const rows = await deps.directory.read(sql`
    SELECT ${shape.columns("i")} FROM inboxes i WHERE i.expires_at > ${deps.clock.now()}
    ORDER BY i.created_at DESC, i.id LIMIT ${literal(MAX_INBOXES)}`)
  return rows.map(shape.read)
}

export async function findInbox(deps: Deps, id: string): Promise<Inbox | null> {
  const [row] = await deps.directory.read(
    sql`SELECT ${shape.columns("i")} FROM inboxes i WHERE i.id = ${id} AND i.expires_at > ${deps.clock.now()}`,
  )
  return row ? shape.read(row) : null
}

/** Refuses with `not_found`. */
export async function getInbox(deps: Deps, id: string): Promise<Inbox> {
  const inbox = await findInbox(deps, id)
  if (!inbox) throw notFound("Inbox")
  return inbox
}

/** Changes how an inbox answers and what it verifies with. Refuses with `not_found`. */
export async function changeInbox(deps: Deps, id: string, change: InboxChange): Promise<Inbox> {
  const { secret, ...answer } = change
  const before = await getInbox(deps, id)
  const after = { ...before, ...answer }
  const sealed =
    secret === undefined ? before.secret : secret === null ? null : await seal(deps.config, secret)
  await deps.directory.batch({
    changed: sql`
      UPDATE inboxes SET secret = ${sealed}, status = ${after.status}, delay_ms = ${after.delayMs},
        retry_after_seconds = ${after.retryAfterSeconds}, hangs = ${Number(after.hangs)}
      WHERE id = ${id}`,
  })
  return { ...after, secret: sealed }
}

/** Takes an inbox away with all that it got. Refuses with `not_found`. */
export async function removeInbox(deps: Deps, id: string): Promise<void> {
  await getInbox(deps, id)
  await deps.directory.batch({
    requests: sql`DELETE FROM inbox_requests WHERE inbox_id = ${id}`,
    inbox: sql`DELETE FROM inboxes WHERE id = ${id}`,
  })
}

/** The secret that an inbox verifies with. */
export async function secretOf(deps: Deps, { secret }: Inbox): Promise<string | null> {
  return secret === null ? null : unseal(deps.config, secret)
}
