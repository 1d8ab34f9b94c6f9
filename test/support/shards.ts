import { env } from "cloudflare:workers"

const bindings = env as unknown as Readonly<Record<string, D1Database>>

/** The databases that the tests run on: one, or as many as POSTHORN_TEST_SHARDS says. */
export const shards: readonly D1Database[] = Array.from({ length: Number(env.SHARDS) }, (_, shard) => {
  const d1 = bindings[shard === 0 ? "DB" : `DB_${shard}`]
  if (!d1) throw new Error(`there is no database for shard ${shard}`)
  return d1
})

/** The one in which applications of the management API live; the built-in ones, and the directory, are in `env.DB`. */
export const customersDB: D1Database = shards.at(-1) ?? env.DB

/** How many rows a table has: of what the directory knows, there; of anything else, in all shards together. */
export async function countRows(table: string): Promise<number> {
  const where = ["applications", "event_types"].includes(table) ? [env.DB] : shards
  const counts = await Promise.all(
    where.map((d1) => d1.prepare(`SELECT count(*) AS n FROM ${table}`).first<number>("n")),
  )
  return counts.reduce<number>((sum, n) => sum + (n ?? 0), 0)
}
