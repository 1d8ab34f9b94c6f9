import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core"

/**
 * Invoices. Amounts in minor units (cents); `lastEvent` guards each change and names the event it published.
 */
export const invoices = sqliteTable("invoices", {
  id: text().primaryKey(),
  amount: integer().notNull(),
  currency: text().notNull(),
  dueDate: integer(),
  status: text({ enum: ["pending", "updated", "paid"] }).notNull(),
  amountReceived: integer(),
  currencyReceived: text(),
  createdAt: integer().notNull(),
  updatedAt: integer().notNull(),
  paidAt: integer(),
  lastEvent: text().notNull(),
})
