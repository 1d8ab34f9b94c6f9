import type { World } from "../support/world.ts"

const TABLES = ["events", "deliveries", "attempts"]
const HOUR_MS = 3600_000
/** Stands in a copied id behind the time; no generated id has it, as its variant is none of UUIDv7's. */
const MARK = "7fff0000"

/**
 * Copies delivered events with all that belongs to them until there are `total` copies, as many of each, made
 * over the last hour. The columns are asked of the database, so that any schema will do.
 */
export async function copyEvents(world: World, eventIds: readonly string[], total: number) {
  const { DB } = world.env
  const from = world.clock.now() - HOUR_MS
  for (const [index, eventId] of eventIds.entries()) {
    const copies = Math.floor((total + index) / eventIds.length)
    for (const table of TABLES) {
      const { results } = await DB.prepare(`SELECT name FROM pragma_table_info('${table}')`).all<{
        name: string
      }>()
      // Where a row stands is for the database to say.
      const columns = results.map(({ name }) => name).filter((name) => name !== "seq")
      const values = columns.map((column) => copied(column))
      await DB.prepare(
        `WITH RECURSIVE c(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c WHERE i < ?1 - 1)
         INSERT INTO ${table} (${columns}) SELECT ${values} FROM c JOIN ${table} t ON t.${keyOf(table)} = ?2 WHERE ?1 > 0`,
      )
        .bind(copies, eventId, from, HOUR_MS, index)
        .run()
    }
  }
  const { results } = await DB.prepare(
    `SELECT count(*) AS copies FROM events WHERE substr(id, 17, 8) = '${MARK}'`,
  ).all()
  if (results[0]?.copies !== total)
    throw new Error(`${total} events should be stored: ${JSON.stringify(results)}`)
  return {
    async remove(): Promise<void> {
      for (const table of [...TABLES].reverse()) {
        await DB.prepare(`DELETE FROM ${table} WHERE substr(${keyOf(table)}, 17, 8) = '${MARK}'`).run()
      }
    },
  }
}

/**
 * Copies a row of a table, the first that is `like` this, until there are `copies` more: each with an id of its own, and
 * with a number behind the text that no two rows may share.
 */
export async function copyRow(
  { env: { DB } }: World,
  table: string,
  copies: number,
  { like = "true", unique = "id" } = {},
) {
  const { results } = await DB.prepare(`SELECT name FROM pragma_table_info('${table}')`).all<{
    name: string
  }>()
  const columns = results.map(({ name }) => name)
  const values = columns.map((column) => {
    if (column === "id") return "substr(t.id, 1, length(t.id) - 9) || printf('%09x', i)"
    return column === unique ? `t.${column} || i` : `t.${column}`
  })
  await DB.prepare(
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

function keyOf(table: string): string {
  return table === "events" ? "id" : "event_id"
}

/** The value of a copy's column: ids of events and attempts are new in each copy, everything else is the same. */
function copied(column: string): string {
  const time = "printf('%012x', ?3 + i * ?4 / ?1)"
  return `CASE
    WHEN t.${column} = ?2 THEN 'evt_' || ${time} || printf('${MARK}%03x%09x', ?5, i)
    -- The counter in an attempt's id tells an event's attempts from each other.
    WHEN substr(t.${column}, 1, 4) = 'att_'
      THEN 'att_' || ${time} || '${MARK}' || substr(t.${column}, 18, 3) || printf('%09x', i)
    ELSE t.${column} END`
}
