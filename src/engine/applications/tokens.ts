import { type SQL, sql } from "drizzle-orm"

import type { Resident } from "../../db/directory.ts"
import { literal } from "../../db/literal.ts"
import type { Deps } from "../../platform/deps.ts"
import type { Remember } from "../kit/idempotency.ts"
import { CATALOG } from "./built-in.ts"

/** No token is valid for longer. */
export const MAX_TOKEN_LIFETIME_MS = 7 * 24 * 3600 * 1000

/** What an application's token says of itself; times are epoch milliseconds. */
export interface ApplicationToken {
  id: string
  applicationId: string
  /** The tokens of a session can be ended together. */
  sessionId: string | null
  issuedAt: number
  expiresAt: number
}

/** The application that a token stands for; null once the token was ended or the application removed. */
export async function findTokenOwner(deps: Deps, token: ApplicationToken): Promise<Resident | null> {
  const { id, applicationId, sessionId, issuedAt } = token
  const session = sessionId === null ? null : sessionName(applicationId, sessionId)
  const [row] = await deps.directory.read(sql`
    SELECT id, uid, throttle_rate, shard FROM applications
    WHERE id = ${applicationId} AND id <> ${CATALOG} AND removed_at IS NULL
      AND NOT EXISTS (
        SELECT 1 FROM revoked_tokens r WHERE r.id IN (${id}, ${applicationId}, ${session})
          AND (r.issued_until IS NULL OR r.ended_until >= ${issuedAt}
            OR (r.issued_until >= ${issuedAt} AND r.ends_at <= ${deps.clock.now()}))
      )`)
  if (!row) return null
  const owner: Resident = {
    id: row.id as string,
    uid: row.uid as string | null,
    throttleRate: row.throttle_rate as number | null,
    shard: row.shard as number,
  }
  deps.residents.note(owner)
  return owner
}

/** Ends a token before its time. */
export async function revokeToken(deps: Deps, token: ApplicationToken): Promise<void> {
  await deps.directory.batch({
    revoked: sql`
      INSERT INTO revoked_tokens (id, expires_at) VALUES (${token.id}, ${token.expiresAt})
      ON CONFLICT DO NOTHING`,
  })
}

/**
 * Ends the tokens that an application has by now, or those of these sessions, once `afterMs` have passed.
 * It takes a row for the application, or for each session, however many tokens there are. While an earlier
 * call has not had its effect yet, the sooner of the two ends holds for all of them: no token lives longer
 * for being ended twice.
 */
export async function endTokens(
  deps: Deps,
  input: {
    applicationId: string
    /** Empty: all of the application's. */
    sessionIds: readonly string[]
    afterMs: number
    remember?: Remember<null> | undefined
  },
): Promise<null> {
  const { applicationId, sessionIds, afterMs, remember } = input
  const names =
    sessionIds.length === 0
      ? [applicationId]
      : sessionIds.map((sessionId) => sessionName(applicationId, sessionId))
  const now = deps.clock.now()
  const isOver = sql`revoked_tokens.ends_at <= ${now}`
  await deps.directory.batch({
    ended: sql`
      INSERT INTO revoked_tokens (id, expires_at, issued_until, ends_at, ended_until)
      SELECT value, ${now + MAX_TOKEN_LIFETIME_MS}, ${now}, ${now + afterMs}, 0
      FROM json_each(${JSON.stringify(names)}) WHERE true
      ON CONFLICT (id) DO UPDATE SET
        ended_until = iif(${isOver}, revoked_tokens.issued_until, revoked_tokens.ended_until),
        ends_at = iif(${isOver}, excluded.ends_at, min(revoked_tokens.ends_at, excluded.ends_at)),
        issued_until = excluded.issued_until, expires_at = excluded.expires_at`,
    remembered: remember ? await remember(null, sql`true`) : null,
  })
  return null
}

/** Forgets a bounded number of ended tokens that have expired meanwhile. */
export function forgetTokens(now: number, limit: number): SQL {
  return sql`
    DELETE FROM revoked_tokens WHERE id IN (
      SELECT id FROM revoked_tokens WHERE expires_at <= ${now} LIMIT ${literal(limit)}
    )`
}

/** No id has a slash. */
function sessionName(applicationId: string, sessionId: string): string {
  return `${applicationId}/${sessionId}`
}
