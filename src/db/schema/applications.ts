import { integer, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core"

// In all tables times are epoch milliseconds and ids are `<prefix>_<uuidv7>`, sortable by time (db/ids.ts);
// columns are snake_case. The tables of a family are in its own schema.ts.

/** Owners of event types, endpoints and events. */
export const applications = sqliteTable(
  "applications",
  {
    id: text().primaryKey(),
    uid: text(),
    name: text().notNull(),
    throttleRate: integer(),
    metadata: text({ mode: "json" }).$type<Record<string, string>>().notNull().default({}),
    createdAt: integer().notNull(),
    updatedAt: integer().notNull(),
    removedAt: integer(),
    /** Where it lives, as the directory says; other shards have copies of the id, uid and rate alone. */
    shard: integer().notNull().default(0),
    /** Until when what was sent uses up its rate; kept where it lives. */
    throttledUntil: integer(),
    /**
     * Set: nothing of it is written here. In the directory, and in the shard that it leaves, the shard that
     * it moves to, or has moved to; in a shard where its rows are arriving, that one's own number.
     */
    movingTo: integer(),
  },
  (t) => [uniqueIndex("applications_by_uid").on(t.uid)], // paths name an application by id or uid
)

/**
 * Applications on their way to another shard, in the directory
 * (engine/applications/move-steps.ts says what the steps are).
 */
export const moves = sqliteTable("moves", {
  applicationId: text().primaryKey(),
  fromShard: integer().notNull(),
  toShard: integer().notNull(),
  step: text({ enum: ["mark", "hold", "copy", "leave", "cancel"] }).notNull(),
  /** When the step began. */
  since: integer().notNull(),
  /** How far the copying is; null: it begins. */
  cursor: text({ mode: "json" }).$type<{ part: number; behind: readonly string[] }>(),
})

/**
 * Application tokens that are ended before their time: one by its own id, or all those of an application, or
 * of one of its sessions (`<application>/<session>`), that were issued until then.
 */
export const revokedTokens = sqliteTable("revoked_tokens", {
  id: text().primaryKey(),
  /** From then on no such token would be valid anyway. */
  expiresAt: integer().notNull(),
  /** Those issued until then end at `endsAt`; null: this is one token. */
  issuedUntil: integer(),
  endsAt: integer(),
  /** Those issued until then have been ended before. */
  endedUntil: integer(),
})
