import { sql } from "drizzle-orm"

import { newId } from "../../db/ids.ts"
import type { Deps } from "../../platform/deps.ts"
import { endpointEvent, nudgeOperations } from "../events/operational.ts"
import { seal, unseal } from "../kit/encryption.ts"
import { EngineError } from "../kit/errors.ts"
import type { Remember } from "../kit/idempotency.ts"
import { getEndpoint } from "./endpoint.ts"
import { secretOrNew } from "./new-secret.ts"

/** Old secrets that may sign beside the current one. */
const MAX_OLD_SECRETS = 10
/** A secret that no longer signs stays this long, so that a repeated rotation recognises its own. */
const KEPT_MS = 24 * 3600 * 1000

/** The secret that signs an endpoint's deliveries first; refuses with `not_found`. */
export async function getSecret(deps: Deps, applicationId: string, idOrUid: string): Promise<string> {
  const { id } = await getEndpoint(deps, applicationId, idOrUid)
  const [row] = await deps.shardOf(applicationId).read(sql`
    SELECT sealed FROM secrets WHERE endpoint_id = ${id} AND expires_at IS NULL ORDER BY id DESC LIMIT 1`)
  if (!row) throw new Error(`the endpoint ${id} has no secret`)
  return unseal(deps.config, row.sealed as string)
}

export interface Rotation {
  applicationId: string
  /** Id or uid. */
  endpoint: string
  /** Null: a new one is made. */
  secret: string | null
  /** How long the secret until now still signs beside the new one. */
  graceMs: number
}

/**
 * Gives an endpoint a new secret, which it answers; the one until now still signs for its grace. One batch,
 * so that of two rotations at once one follows the other. Refuses with `not_found`, `invalid` (secret), and
 * `limit_reached` while ten old secrets still sign.
 */
export async function rotateSecret(
  deps: Deps,
  rotation: Rotation,
  remember?: Remember<string>,
): Promise<string> {
  const { applicationId, graceMs } = rotation
  const secret = await secretOrNew(rotation.secret, "key")
  const endpoint = await getEndpoint(deps, applicationId, rotation.endpoint)
  const now = deps.clock.now()
  const id = newId("secret", now)
  const old = sql`FROM secrets WHERE endpoint_id = ${endpoint.id} AND expires_at > ${now}`
  // Without a grace the secret until now does not become an old one that signs.
  const hasRoom = graceMs === 0 ? sql`true` : sql`(SELECT count(*) ${old}) < ${MAX_OLD_SECRETS}`
  const made = sql`SELECT 1 FROM secrets WHERE endpoint_id = ${endpoint.id} AND id = ${id}`
  const rotated = sql`EXISTS (${made})`
  const db = deps.shardOf(applicationId)
  const { found, next, operational } = await db.batch({
    inserted: sql`
      INSERT INTO secrets (id, endpoint_id, sealed, created_at)
      SELECT ${id}, e.id, ${await seal(deps.config, secret)}, ${now} FROM endpoints e
      WHERE e.id = ${endpoint.id} AND e.removed_at IS NULL AND ${hasRoom} ON CONFLICT DO NOTHING`,
    ending: sql`
      UPDATE secrets SET expires_at = ${now + graceMs}
      WHERE endpoint_id = ${endpoint.id} AND expires_at IS NULL AND id <> ${id}
        AND EXISTS (${made} AND expires_at IS NULL)`,
    ended: sql`DELETE FROM secrets WHERE endpoint_id = ${endpoint.id} AND expires_at <= ${now - KEPT_MS}`,
    found: made,
    next: sql`SELECT min(expires_at) AS at ${old}`,
    operational: endpointEvent(deps, db, "endpoint.updated", endpoint.id, rotated),
    remembered: remember ? await remember(secret, rotated) : null,
  })
  await nudgeOperations(deps, db, operational)
  if (found.length > 0) return secret
  const at = next.at(0)?.at as number | null | undefined
  if (typeof at !== "number") throw new Error("the endpoint is gone")
  throw new EngineError(
    "limit_reached",
    `${MAX_OLD_SECRETS} old secrets still sign: rotate again when one has expired, the next at ${new Date(at).toISOString()}`,
  )
}
