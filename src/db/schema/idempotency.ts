import { index, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core"

/** Finished answers to requests with an Idempotency-Key, sealed, kept for a day. */
export const idempotencyKeys = sqliteTable(
  "idempotency_keys",
  {
    /** Whose key it is, and for which method and path. */
    scope: text().notNull(),
    key: text().notNull(),
    requestHash: text().notNull(),
    status: integer().notNull(),
    sealed: text().notNull(),
    createdAt: integer().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.scope, t.key] }),
    index("idempotency_keys_by_age").on(t.createdAt), // sweep: forget them after a day
  ],
)
