import { type SQL, sql } from "drizzle-orm"

import { literal } from "../../db/literal.ts"

/**
 * A table `each_application(id)` for a WITH RECURSIVE clause: up to `most` applications, in order, by one
 * step of an index each, however much one of them has in it; and a null behind the last of some. `rows` says
 * what counts: FROM a table `x` whose index begins with the application, and a WHERE clause.
 */
export function eachApplication(rows: SQL, most: number): SQL {
  const first = (condition: SQL) =>
    sql`SELECT x.application_id ${rows} AND ${condition} ORDER BY x.application_id LIMIT 1`
  return sql`each_application(id) AS (
    SELECT * FROM (${first(sql`x.application_id > ''`)})
    UNION ALL
    SELECT (${first(sql`x.application_id > each_application.id`)}) FROM each_application
    WHERE each_application.id IS NOT NULL LIMIT ${literal(most)}
  )`
}
