import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core"

/** What a database knows of itself (WITHOUT ROWID): one row, written by each sweep. */
export const systemState = sqliteTable("system_state", {
  key: text({ enum: ["sweep"] }).primaryKey(),
  lastSweepAt: integer().notNull().default(0),
  databaseBytes: integer().notNull().default(0),
  /** The last `seq` that retention has passed over; 0: it begins anew. */
  retentionCursor: integer().notNull().default(0),
  /** When a drain was called for what was due already that has not begun; 0: none waits. */
  drainCalledAt: integer().notNull().default(0),
  /** The application that had the last turn in the retry lane. */
  lastTurn: text().notNull().default(""),
  /** Attempts with lower ids are counted, of all endpoints. */
  countedTo: text().notNull().default(""),
  /** While they are being counted further: up to which id, and how far this is. */
  countingTo: text(),
  countingAt: text({ mode: "json" }).$type<[endpointId: string, attemptId: string]>(),
})
