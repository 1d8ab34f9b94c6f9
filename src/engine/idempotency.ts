import { type SQL, sql } from "drizzle-orm"

import type { Statement } from "../db/client.ts"
import type { Deps } from "../deps.ts"
import { seal, unseal } from "./seal.ts"

/** How long an answer is kept for the same key. */
export const IDEMPOTENCY_MS = 24 * 3600 * 1000

/**
 * Makes the statement that keeps a verb's answer with the verb's own batch. The verb calls it with its result
 * and the condition under which the result is true, and puts the statement last. A second batch with the same
 * key breaks on it as a whole, so the work is done once.
 */
export type Remember<Result> = (result: Result, onlyIf: SQL) => Promise<Statement>

export interface KeptAnswer {
  requestHash: string
  status: number
  body: string
}

/** The answer kept for a key of this scope, if it is not older than a day. */
export async function findAnswer(
  deps: Deps,
  applicationId: string,
  scope: string,
  key: string,
): Promise<KeptAnswer | null> {
  const [rows = []] = await deps.database(applicationId).batch([
    sql`
      SELECT request_hash, status, sealed FROM idempotency_keys
      WHERE scope = ${scope} AND key = ${key} AND created_at > ${deps.clock.now() - IDEMPOTENCY_MS}`,
  ])
  const row = rows.at(0)
  if (!row) return null
  return {
    requestHash: row.request_hash as string,
    status: row.status as number,
    body: await unseal(deps.config, row.sealed as string),
  }
}

/** The statement that keeps an answer if the condition holds; it fails, and its batch with it, for a used key. */
export async function keepAnswer(
  deps: Deps,
  key: { scope: string; key: string },
  answer: KeptAnswer,
  onlyIf: SQL,
): Promise<Statement> {
  const sealed = await seal(deps.config, answer.body)
  return sql`
    INSERT INTO idempotency_keys (scope, key, request_hash, status, sealed, created_at)
    SELECT ${key.scope}, ${key.key}, ${answer.requestHash}, ${answer.status}, ${sealed}, ${deps.clock.now()}
    WHERE ${onlyIf}`
}

/** True when a batch broke because its key was used already. */
export function isKeyUsed(error: unknown): boolean {
  return /UNIQUE constraint failed: idempotency_keys/.test(String(error))
}
