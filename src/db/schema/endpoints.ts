import { sql } from "drizzle-orm"
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core"
import { applications } from "./applications.ts"
import { eventTypes } from "./event-types.ts"

/** Receivers. A removed endpoint stays as a row until retention, so that its attempts keep their owner. */
export const endpoints = sqliteTable(
  "endpoints",
  {
    id: text().primaryKey(),
    applicationId: text()
      .notNull()
      .references(() => applications.id),
    uid: text(),
    /** As the client spelled it; `urlKey` is its `targetKey` where a family allows a URL once. */
    url: text().notNull(),
    urlKey: text(),
    description: text().notNull().default(""),
    channels: text({ mode: "json" }).$type<string[]>(),
    metadata: text({ mode: "json" }).$type<Record<string, string>>().notNull().default({}),
    /** The endpoint's own headers, JSON, sealed (engine/kit/encryption.ts). */
    headers: text(),
    throttleRate: integer(),
    /**
     * Which version of the receiver's own interface this is: kept for clients, nothing here reads it.
     */
    version: integer().notNull().default(1),
    /** Since when the endpoint takes every event type; null: only what it has subscriptions for. */
    allEventTypesSince: integer(),
    createdAt: integer().notNull(),
    updatedAt: integer().notNull(),
    enabledAt: integer().notNull(),
    disabledAt: integer(),
    disabledReason: text({ enum: ["manual", "gone", "asked", "failing"] }),
    removedAt: integer(),
    /** When it first took a delivery since it began afresh; null: nobody knows yet whether it answers. */
    provenAt: integer(),
    failingSince: integer(),
    /** How slow its answers are (ms), see rules/endpoint-health.ts; null: it is not slow. */
    slowMs: integer(),
    pausedUntil: integer(),
    /**
     * When it first asked for no more deliveries (a 410, `webhook-delivery: disable`) since its last success.
     */
    goneAt: integer(),
    /** When the retry lane should next look here, null while somebody does; derived, see refreshDueAt. */
    dueAt: integer(),
    /** Claims by the retry lane that ended without a result. */
    claims: integer().notNull().default(0),
    /** Who works what is due here: the lease covers the endpoint's deliveries. */
    leaseToken: text(),
    leasedUntil: integer(),
    /** Until when what was sent uses up its rate. */
    throttledUntil: integer(),
  },
  (t) => [
    uniqueIndex("endpoints_by_uid").on(t.applicationId, t.uid), // paths name an endpoint by id or uid
    uniqueIndex("endpoints_by_url").on(t.applicationId, t.urlKey), // A and B: one endpoint a URL
    index("endpoints_by_application").on(t.applicationId, t.id), // lists
    // the retry lane: by application, most overdue first
    index("endpoints_due").on(t.applicationId, t.dueAt).where(sql`due_at is not null`),
    // what a claim holds, and sweep: what it has lost
    index("endpoints_leased").on(t.leasedUntil).where(sql`leased_until is not null`),
    index("endpoints_disabled").on(t.disabledAt).where(sql`disabled_at is not null`), // what needs a person
    index("endpoints_removed").on(t.removedAt).where(sql`removed_at is not null`), // retention
    // dispatch: who takes every event type
    index("endpoints_taking_all").on(t.applicationId, t.id).where(sql`all_event_types_since is not null`),
  ],
)

/** The pair endpoint × event type (WITHOUT ROWID). */
export const subscriptions = sqliteTable(
  "subscriptions",
  {
    id: text().notNull(),
    eventTypeId: text()
      .notNull()
      .references(() => eventTypes.id),
    /** The endpoint's: many applications subscribe to one type of the catalog. */
    applicationId: text().notNull(),
    endpointId: text()
      .notNull()
      .references(() => endpoints.id),
    createdAt: integer().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.eventTypeId, t.applicationId, t.endpointId] }), // dispatch pages through it
    index("subscriptions_by_endpoint").on(t.endpointId), // an endpoint's event types
  ],
)

/**
 * Signing secrets, sealed (WITHOUT ROWID). One without an end is current; the others sign beside it
 * until their grace ends.
 */
export const secrets = sqliteTable(
  "secrets",
  {
    id: text().notNull(),
    endpointId: text()
      .notNull()
      .references(() => endpoints.id),
    sealed: text().notNull(),
    createdAt: integer().notNull(),
    expiresAt: integer(),
  },
  (t) => [primaryKey({ columns: [t.endpointId, t.id] })], // read with each claim
)

/**
 * What an endpoint's attempts came to in one hour (WITHOUT ROWID),
 * written by the sweep when the hour is over.
 */
export const endpointHours = sqliteTable(
  "endpoint_hours",
  {
    endpointId: text().notNull(),
    /** The hour's first millisecond. */
    hour: integer().notNull(),
    /** The last attempt that is counted in it: none is counted twice. */
    countedTo: text().notNull(),
    /** Its counts (engine/rules/tally.ts), JSON. */
    tally: text({ mode: "json" }).$type<unknown>().notNull(),
  },
  (t) => [primaryKey({ columns: [t.endpointId, t.hour] })], // an endpoint's last hours
)
