import {
  copyRowStatement,
  copyStatement,
  EVENT_TABLES,
  isCopy,
  shareOf,
} from "../../scripts/bench/copies.mjs"
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

/** Copies rows until there are so many more of each. */
export async function copyRows(
  world: World,
  rows: readonly { table: string; like?: string; unique?: string }[],
  copies: number,
): Promise<void> {
  for (const { table, ...row } of rows) {
    await world.env.DB.prepare(copyRowStatement(table, await columnsOf(world, table), row))
      .bind(copies)
      .run()
  }
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
