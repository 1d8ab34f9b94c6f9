import { type SQL, sql } from "drizzle-orm"

/** What is to change of a thing: a field that is missing or undefined stays as it is. */
export type Change<Thing> = { [field in keyof Thing]?: Thing[field] | undefined }

/** The `SET` of an UPDATE, by column: a value or an expression, and nothing for what is undefined. */
export function setOf(columns: Readonly<Record<string, SQL | string | number | null | undefined>>): SQL {
  const assignments = Object.entries(columns).flatMap(([column, value]) =>
    value === undefined ? [] : [sql`${sql.raw(column)} = ${value}`],
  )
  return sql`SET ${sql.join(assignments, sql`, `)}`
}
