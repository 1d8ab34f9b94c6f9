import { type SQL, sql } from "drizzle-orm"

/**
 * A number of ours in the text of a statement. A LIMIT that is bound instead makes SQLite compile the
 * statement anew each time it runs.
 */
export function literal(value: number): SQL {
  return sql.raw(String(Math.trunc(value)))
}
