import { index, integer, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core"

/** Users. The name is stored lower-case, and unique as stored. */
export const users = sqliteTable(
  "users",
  {
    id: text().primaryKey(),
    username: text().notNull(),
    registeredAt: integer().notNull(),
  },
  (t) => [uniqueIndex("users_by_username").on(t.username)],
)

/** Messages from one user to another. */
export const messages = sqliteTable(
  "messages",
  {
    id: text().primaryKey(),
    sender: text().notNull(),
    recipient: text().notNull(),
    subject: text().notNull(),
    message: text().notNull(),
    receivedAt: integer().notNull(),
  },
  (t) => [index("messages_by_recipient").on(t.recipient, t.id)], // a recipient's messages, oldest first
)
