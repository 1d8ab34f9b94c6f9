import { integer, primaryKey, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core"
import { applications } from "./applications.ts"

/** Named kinds of event (WITHOUT ROWID). `label` is what C shows where it differs from the name. */
export const eventTypes = sqliteTable(
  "event_types",
  {
    id: text().notNull(),
    applicationId: text()
      .notNull()
      .references(() => applications.id),
    name: text().notNull(),
    label: text(),
    description: text().notNull().default(""),
    schemas: text({ mode: "json" }).$type<Record<string, Record<string, unknown>>>(),
    /** Whether messages that do not fit the newest of `schemas` are refused. */
    enforceSchema: integer({ mode: "boolean" }).notNull().default(false),
    featureFlag: text(),
    archived: integer({ mode: "boolean" }).notNull().default(false),
    deprecated: integer({ mode: "boolean" }).notNull().default(false),
    createdAt: integer().notNull(),
    updatedAt: integer().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.applicationId, t.name] }), // publishing looks a type up by name
    uniqueIndex("event_types_by_id").on(t.id), // subscriptions name it by id
  ],
)
