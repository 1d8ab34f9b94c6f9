import { getTableColumns, type SQL, sql } from "drizzle-orm"
import { toSnakeCase } from "drizzle-orm/casing"
import type { SQLiteTable } from "drizzle-orm/sqlite-core"

import type { Row } from "./client.ts"

/** How a noun is selected, and how its rows are read: both follow from the table, its types included. */
export interface Shape<Thing> {
  /** The columns of the table's row that `alias` stands for, for a SELECT. */
  columns(alias: string): SQL
  /** The thing that a row of these columns holds. */
  read(row: Row): Thing
}

/** The shape of these columns of a table; all of them if none is named. */
export function shapeOf<
  Table extends SQLiteTable,
  Key extends keyof Table["$inferSelect"] & string = keyof Table["$inferSelect"] & string,
>(table: Table, ...keys: Key[]): Shape<Pick<Table["$inferSelect"], Key>> {
  const all = getTableColumns(table)
  const fields = Object.entries(all)
    .filter(([key]) => keys.length === 0 || keys.includes(key as Key))
    .map(([key, column]) => ({ key, name: toSnakeCase(key), column }))
  return {
    columns: (alias) => sql.raw(fields.map(({ name }) => `${alias}.${name}`).join(", ")),
    read: (row) =>
      Object.fromEntries(
        fields.map(({ key, name, column }) => {
          const value = row[name] ?? null
          return [key, value === null ? null : column.mapFromDriverValue(value)]
        }),
      ) as Pick<Table["$inferSelect"], Key>,
  }
}
