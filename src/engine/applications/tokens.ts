import { type SQL, sql } from "drizzle-orm"

import type { Resident } from "../../db/directory.ts"
import { literal } from "../../db/literal.ts"
import type { Deps } from "../../platform/deps.ts"
import type { Remember } from "../kit/idempotency.ts"
import { CATALOG } from "./built-in.ts"

/** What an application's token says of itself; times are epoch milliseconds. */
export interface ApplicationToken {
  id: string
  applicationId: string
  featureFlags: readonly string[]
  expiresAt: number
}

/** The application that a token stands for; null once the token is revoked or the application removed. */
export async function findTokenOwner(deps: Deps, token: ApplicationToken): Promise<Resident | null> {
  const [row] = await deps.directory.read(sql`
    SELECT id, uid, throttle_rate, shard FROM applications
    WHERE id = ${token.applicationId} AND id <> ${CATALOG} AND removed_at IS NULL
      AND NOT EXISTS (SELECT 1 FROM revoked_tokens WHERE id = ${token.id})`)
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
export async function revokeToken(
  deps: Deps,
  token: ApplicationToken,
  remember?: Remember<null>,
): Promise<null> {
  await deps.directory.batch({
    revoked: sql`
      INSERT INTO revoked_tokens (id, expires_at) VALUES (${token.id}, ${token.expiresAt})
      ON CONFLICT DO NOTHING`,
    remembered: remember ? await remember(null, sql`true`) : null,
  })
  return null
}

/** Forgets a bounded number of revoked tokens that have expired meanwhile. */
export function forgetTokens(now: number, limit: number): SQL {
  return sql`
    DELETE FROM revoked_tokens WHERE id IN (
      SELECT id FROM revoked_tokens WHERE expires_at <= ${now} LIMIT ${literal(limit)}
    )`
}
