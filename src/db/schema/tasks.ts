import { sql } from "drizzle-orm"
import { index, integer, sqliteTable, text } from "drizzle-orm/sqlite-core"

/** Long work on many rows, done in steps. */
export const tasks = sqliteTable(
  "tasks",
  {
    id: text().primaryKey(),
    applicationId: text().notNull(),
    /** Which step function works it (engine/tasks/kinds.ts). */
    kind: text().notNull(),
    /** The input of its steps, JSON. */
    input: text({ mode: "json" }).$type<unknown>().notNull(),
    status: text({ enum: ["running", "finished", "failed", "canceled"] }).notNull(),
    /** How far it is: the next step begins behind this; null before the first. */
    cursor: text(),
    /** Rows that have changed, over all steps. */
    processed: integer().notNull().default(0),
    createdAt: integer().notNull(),
    updatedAt: integer().notNull(),
    /** Claims that ended without a step. */
    claims: integer().notNull().default(0),
    leaseToken: text(),
    leasedUntil: integer(),
  },
  (t) => [
    // an application's first; sweep: lost jobs
    index("tasks_running").on(t.applicationId, t.id).where(sql`status = 'running'`),
    index("tasks_by_application").on(t.applicationId, t.id), // an application's list
  ],
)
