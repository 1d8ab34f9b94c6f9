import { sql } from "drizzle-orm"
import { index, integer, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core"
import { applications } from "./applications.ts"

/** Facts that happened, and how far each is dispatched. Keeps its rowid: payloads are long. */
export const events = sqliteTable(
  "events",
  {
    /**
     * The order in which events were written, which retention walks.
     * Begins anew whenever the table was empty.
     */
    seq: integer().primaryKey(),
    id: text().notNull(),
    applicationId: text()
      .notNull()
      .references(() => applications.id),
    eventTypeId: text().notNull(),
    /** The type's name at the time, kept although the type may go. */
    eventType: text().notNull(),
    /** The publisher's own id for the event. */
    uid: text(),
    /** Set: owed to this endpoint alone. */
    endpointId: text(),
    /** Set: a test event of this ping, attempted once per delivery. */
    pingId: text(),
    channels: text({ mode: "json" }).$type<string[]>(),
    createdAt: integer().notNull(),
    dispatchedAt: integer(),
    /** Why dispatching was given up. */
    failure: text({ enum: ["internal"] }),
    claims: integer().notNull().default(0),
    leaseToken: text(),
    /** Null in the first minute, which belongs to the event's own job; 0 when no such job could be sent. */
    leasedUntil: integer(),
    /** The last endpoint id that a fan-out in steps has written a delivery for. */
    fanoutCursor: text(),
    payloadExpiresAt: integer(),
    /**
     * The exact bytes to send; null once expunged. Behind what lists read, so
     * that they never walk its overflow pages.
     */
    payload: text(),
    /** What the payload is, where it is not JSON. Read with the payload alone. */
    contentType: text(),
  },
  (t) => [
    uniqueIndex("events_by_application").on(t.applicationId, t.id), // the key: jobs name both, lists walk it
    // one event per publisher's id
    uniqueIndex("events_by_uid").on(t.applicationId, t.uid).where(sql`uid is not null`),
    index("events_undispatched").on(t.id).where(sql`dispatched_at is null`), // sweep: what a crash left
    index("events_by_ping").on(t.pingId).where(sql`ping_id is not null`), // a ping's results
    // sweep: payloads to forget
    index("events_by_payload_expiry").on(t.payloadExpiresAt).where(sql`payload_expires_at is not null`),
  ],
)

/**
 * Operational events that are still to be moved to the shard of
 * `operations`, in the order in which they happened.
 */
export const outbox = sqliteTable("outbox", {
  seq: integer().primaryKey(),
  /** The event's. A batch that is repeated leaves two rows, and still one event. */
  id: text().notNull(),
  eventType: text().notNull(),
  /** That of its payload, JSON. */
  data: text().notNull(),
  createdAt: integer().notNull(),
})
