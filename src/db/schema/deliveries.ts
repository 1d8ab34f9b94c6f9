import { sql } from "drizzle-orm"
import { index, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core"

/**
 * What came back for an HTTP request: of the first attempt in its delivery's row, of any other in its own.
 */
const outcome = {
  url: text(),
  statusCode: integer(),
  /** The receiver's own reason phrase; HTTP/2 has none. */
  statusText: text(),
  error: text({
    enum: ["connection", "name-or-tls", "malformed", "timeout", "refused-target", "internal"],
  }),
  durationMs: integer(),
}
/** Last in their rows: a long body must not stand between what lists read. */
const answer = {
  bodyEncoding: text({ enum: ["utf8", "base64"] }),
  bodyTruncated: integer({ mode: "boolean" }),
  body: text(),
  /** Of the request and of the answer, as far as they are kept. */
  headers: text({ mode: "json" }).$type<{
    sent: [name: string, value: string | null][]
    received: [name: string, value: string | null][] | null
    cut: boolean
  }>(),
}

/** An event owed to an endpoint (WITHOUT ROWID), with the attempt that was made while it was dispatched. */
export const deliveries = sqliteTable(
  "deliveries",
  {
    eventId: text().notNull(),
    endpointId: text().notNull(),
    applicationId: text().notNull(),
    status: text({ enum: ["pending", "delivered", "failed", "canceled"] }).notNull(),
    reason: text({
      enum: [
        "disabled",
        "gone",
        "exhausted",
        "aborted",
        "refused-target",
        "expired",
        "internal",
        "removed",
        "unsubscribed",
        "by-hand",
      ],
    }),
    attempts: integer().notNull().default(0),
    /** Null once ended, and for pings, which the retry lane never touches. */
    nextAttemptAt: integer(),
    /**
     * Claims of this delivery alone that ended without a result: as a ping, or where its endpoint is suspect.
     */
    claims: integer().notNull().default(0),
    /** The ping job that makes its request. */
    leaseToken: text(),
    createdAt: integer().notNull(),
    endedAt: integer(),
    /** Since when somebody has asked for one more attempt, by hand; null once it is made. */
    resendRequestedAt: integer(),
    /** Until when somebody is making that attempt. */
    resendLeasedUntil: integer(),
    /**
     * The first attempt's id where `attemptedAt` is set; else made
     * like one, for the delivery's place in lists.
     */
    attemptId: text().notNull(),
    /** When the first attempt started; null: it was put off, and is no part of this row. */
    attemptedAt: integer(),
    ...outcome,
    ...answer,
  },
  (t) => [
    // an application's resends: those that wait, in order, those that are lost, those under way
    index("deliveries_to_resend")
      .on(t.applicationId, t.resendLeasedUntil, t.resendRequestedAt)
      .where(sql`resend_requested_at is not null`),
    primaryKey({ columns: [t.eventId, t.endpointId] }),
    // an endpoint's events, and its first attempts, in order
    index("deliveries_by_endpoint").on(t.endpointId, t.attemptId),
    index("deliveries_pending").on(t.endpointId, t.nextAttemptAt).where(sql`status = 'pending'`), // drain
  ],
)

/**
 * One HTTP request made for a delivery, and what came back (WITHOUT ROWID):
 * all but those in the deliveries' own rows.
 */
export const attempts = sqliteTable(
  "attempts",
  {
    eventId: text().notNull(),
    id: text().notNull(),
    endpointId: text().notNull(),
    applicationId: text().notNull(),
    trigger: text({ enum: ["scheduled", "manual", "ping"] }).notNull(),
    createdAt: integer().notNull(),
    ...outcome,
    url: text().notNull(),
    durationMs: integer().notNull(),
    ...answer,
    bodyEncoding: text({ enum: ["utf8", "base64"] }).notNull(),
    bodyTruncated: integer({ mode: "boolean" }).notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.eventId, t.id] }), // an event's attempts, in order
    index("attempts_by_endpoint").on(t.endpointId, t.id), // an endpoint's attempts, in order
  ],
)
