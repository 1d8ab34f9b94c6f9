/** Every table of the schema: D1's own begin with an underscore, or with sqlite. */
async function tablesOf(d1: D1Database): Promise<string[]> {
  const { results } = await d1
    .prepare(
      "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB '_*' AND name NOT GLOB 'sqlite_*' AND name <> 'd1_migrations' ORDER BY name",
    )
    .all<{ name: string }>()
  return results.map(({ name }) => name)
}

/** Every row of every table but these, as text: whether a request has written, and what lies about in clear. */
export async function everything(d1: D1Database, except: readonly string[] = []): Promise<string> {
  const tables = (await tablesOf(d1)).filter((table) => !except.includes(table))
  const rows = await d1.batch(tables.map((table) => d1.prepare(`SELECT * FROM "${table}"`)))
  return JSON.stringify(rows.map(({ results }) => results))
}

/** Seeds are as old as the epoch. */
const SEEDED = new Set(["applications", "event_types"])

/** Empties every table but of the seeds: tests of one file share a database. */
export async function emptyDatabase(d1: D1Database): Promise<void> {
  const tables = await tablesOf(d1)
  await d1.batch([
    d1.prepare("PRAGMA defer_foreign_keys = on"),
    ...tables.map((table) =>
      d1.prepare(`DELETE FROM "${table}"${SEEDED.has(table) ? " WHERE created_at > 1000" : ""}`),
    ),
  ])
}
