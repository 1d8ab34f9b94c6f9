import { copyStatement, EVENT_TABLES, isCopy, shareOf } from "../../scripts/bench/copies.mjs"
import type { World } from "../support/world.ts"

const HOUR_MS = 3600_000

/**
 * Copies delivered events with all that belongs to them until there are `total` copies, as many of each, made
 * over the last hour.
 */
export async function copyEvents(world: World, eventIds: readonly string[], total: number) {
  const { DB } = world.env
  const from = world.clock.now() - HOUR_MS
  for (const [index, eventId] of eventIds.entries()) {
    for (const table of EVENT_TABLES) {
      await DB.prepare(copyStatement(table, await columnsOf(world, table)))
        .bind(shareOf(total, index, eventIds.length), eventId, from, HOUR_MS, index)
        .run()
    }
  }
  const { results } = await DB.prepare(
    `SELECT count(*) AS copies FROM events WHERE ${isCopy("events")}`,
  ).all()
  if (results[0]?.copies !== total)
    throw new Error(`${total} events should be stored: ${JSON.stringify(results)}`)
  return {
    async remove(): Promise<void> {
      for (const table of EVENT_TABLES.toReversed()) {
        await DB.prepare(`DELETE FROM ${table} WHERE ${isCopy(table)}`).run()
      }
    },
  }
}

/**
 * Copies a row of a table, the first that is `like` this, until there are `copies` more: each with an id of its own, and
 * with a number behind the text that no two rows may share.
 */
export async function copyRow(
  world: World,
  table: string,
  copies: number,
  { like = "true", unique = "id" } = {},
) {
  const columns = await columnsOf(world, table)
  const values = columns.map((column) => {
    if (column === "id") return "substr(t.id, 1, length(t.id) - 9) || printf('%09x', i)"
    return column === unique ? `t.${column} || i` : `t.${column}`
  })
  await world.env.DB.prepare(
    `WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < ?)
     INSERT INTO ${table} (${columns}) SELECT ${values} FROM c JOIN (SELECT * FROM ${table} WHERE ${like} LIMIT 1) t`,
  )
    .bind(copies)
    .run()
}

/** The newest event's id. */
export async function newestEvent({ env }: World): Promise<string> {
  const row = await env.DB.prepare("SELECT max(id) AS id FROM events").first<{ id: string }>()
  return row?.id ?? ""
}

/** Whether the sweep has begun to count attempts by the hour and is not through. */
export async function isCounting({ env }: World): Promise<boolean> {
  const row = await env.DB.prepare("SELECT counting_at FROM system_state WHERE key = 'sweep'").first()
  return row?.counting_at != null
}

async function columnsOf({ env: { DB } }: World, table: string): Promise<string[]> {
  const { results } = await DB.prepare("SELECT name FROM pragma_table_info(?)")
    .bind(table)
    .all<{ name: string }>()
  return results.map(({ name }) => name)
}
