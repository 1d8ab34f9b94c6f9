import { index, integer, sqliteTable, text } from "drizzle-orm/sqlite-core"

/**
 * Receivers to try deliveries with, kept for a day. Their ids are random: whoever knows one may send to it.
 */
export const inboxes = sqliteTable(
  "inboxes",
  {
    id: text().primaryKey(),
    /** The scheme and host under which it was made: its URL begins with it. */
    origin: text().notNull(),
    /** What its sender's signatures are verified with, sealed; null: nobody has said. */
    secret: text(),
    status: integer().notNull(),
    retryAfterSeconds: integer(),
    delayMs: integer().notNull(),
    /** Whether it never answers. */
    hangs: integer({ mode: "boolean" }).notNull(),
    createdAt: integer().notNull(),
    expiresAt: integer().notNull(),
  },
  (t) => [index("inboxes_by_expiry").on(t.expiresAt)], // sweep: forget them after a day
)

/** What has come to them. */
export const inboxRequests = sqliteTable(
  "inbox_requests",
  {
    id: text().primaryKey(),
    inboxId: text().notNull(),
    method: text().notNull(),
    query: text().notNull(),
    headers: text({ mode: "json" }).$type<Record<string, string>>().notNull(),
    /** What was answered; null: nothing, for it hangs. */
    answered: integer(),
    receivedAt: integer().notNull(),
    bodyEncoding: text({ enum: ["utf8", "base64"] }).notNull(),
    bodyTruncated: integer({ mode: "boolean" }).notNull(),
    body: text().notNull(),
  },
  (t) => [index("inbox_requests_by_inbox").on(t.inboxId, t.id)], // an inbox's requests, in order
)
