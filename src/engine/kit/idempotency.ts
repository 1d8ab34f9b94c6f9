import { type SQL, sql } from "drizzle-orm"

import type { Statement } from "../../db/client.ts"
import { literal } from "../../db/literal.ts"
import type { Deps } from "../../platform/deps.ts"
import { seal, unseal } from "./encryption.ts"

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

/** For work that is tried before anybody has looked whether the key is used: its own batch does. */
export interface Once<Result> {
  /** The condition of the work: nobody has used the key. */
  isFree: SQL
  remember: Remember<Result>
}

/** A key within its scope. */
export interface Slot {
  scope: string | SQL
  key: string
}

/**
 * The scope that `before` begins and an application's id ends, for where that is still to
 * be looked up: by `idOf`.
 */
export function scopeIn(before: string, idOf: SQL): SQL {
  return sql`${before} || ' ' || (${idOf})`
}

/**
 * The answer kept for a key of this scope; one older than a day is forgotten, so that the key is free again.
 */
export async function findAnswer(
  deps: Deps,
  applicationId: string,
  { scope, key }: Slot,
): Promise<KeptAnswer | null> {
  const [row] = await deps.shardOf(applicationId).read(sql`
    SELECT request_hash, status, sealed, created_at FROM idempotency_keys
    WHERE scope = ${scope} AND key = ${key}`)
  if (!row) return null
  const forgetAt = deps.clock.now() - IDEMPOTENCY_MS
  if ((row.created_at as number) <= forgetAt) {
    await forgetAnswer(deps, applicationId, { scope, key }, forgetAt)
    return null
  }
  return {
    requestHash: row.request_hash as string,
    status: row.status as number,
    body: await unseal(deps.config, row.sealed as string),
  }
}

/** Frees a key before its time, or only if its answer was kept until then (epoch ms). */
export async function forgetAnswer(
  deps: Deps,
  applicationId: string,
  { scope, key }: Slot,
  until = deps.clock.now(),
): Promise<void> {
  await deps.shardOf(applicationId).batch({
    forgotten: sql`DELETE FROM idempotency_keys WHERE scope = ${scope} AND key = ${key} AND created_at <= ${until}`,
  })
}

/** The condition that no answer is kept for a key. */
export function isFree({ scope, key }: Slot): SQL {
  return sql`NOT EXISTS (SELECT 1 FROM idempotency_keys WHERE scope = ${scope} AND key = ${key})`
}

/**
 * The statement that keeps an answer if the condition holds; it fails, and its batch with it, for a used key.
 */
export async function keepAnswer(
  deps: Deps,
  slot: Slot,
  answer: KeptAnswer,
  onlyIf: SQL,
): Promise<Statement> {
  const sealed = await seal(deps.config, answer.body)
  return sql`
    INSERT INTO idempotency_keys (scope, key, request_hash, status, sealed, created_at)
    SELECT ${slot.scope}, ${slot.key}, ${answer.requestHash}, ${answer.status}, ${sealed}, ${deps.clock.now()}
    WHERE ${onlyIf}`
}

/** Keeps an answer that belongs to no write; fails for a used key. */
export async function rememberAnswer(
  deps: Deps,
  applicationId: string,
  slot: Slot,
  answer: KeptAnswer,
): Promise<void> {
  await deps.shardOf(applicationId).batch({ kept: await keepAnswer(deps, slot, answer, sql`true`) })
}

/** Forgets a bounded number of answers older than a day; returns a row for each. */
export function forgetAnswers(now: number, limit: number): SQL {
  return sql`
    DELETE FROM idempotency_keys WHERE rowid IN (
      SELECT rowid FROM idempotency_keys WHERE created_at <= ${now - IDEMPOTENCY_MS} LIMIT ${literal(limit)}
    ) RETURNING 1`
}

/** True when a batch broke because its key was used already. */
export function isKeyUsed(error: unknown): boolean {
  return /UNIQUE constraint failed: idempotency_keys/.test(String(error))
}
