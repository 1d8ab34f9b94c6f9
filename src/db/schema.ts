import { sql } from "drizzle-orm"
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core"

// Times are epoch milliseconds, ids are `<prefix>_<uuidv7>`: sortable by time (ids.ts). Columns are snake_case.
// The tables of the engine; those of a family are in its own schema.ts.

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
     * Set: nothing of it is written here. In the directory, and in the shard that it leaves, the shard that it moves to,
     * or has moved to; in a shard where its rows are arriving, that one's own number.
     */
    movingTo: integer(),
  },
  (t) => [uniqueIndex("applications_by_uid").on(t.uid)], // paths name an application by id or uid
)

// Tables marked W are WITHOUT ROWID: a row is written once instead of once more for its key. Drizzle does not know
// them, so scripts/generate-migrations.mjs has the list and changes what is generated.

/** Named kinds of event (W). `label` is what C shows where it differs from the name. */
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

/** Receivers. A removed endpoint stays as a row until retention, so that its attempts keep their owner. */
export const endpoints = sqliteTable(
  "endpoints",
  {
    id: text().primaryKey(),
    applicationId: text()
      .notNull()
      .references(() => applications.id),
    uid: text(),
    /** As typed by whoever registered it; `urlKey` is its `targetKey` where a family allows a URL once. */
    url: text().notNull(),
    urlKey: text(),
    description: text().notNull().default(""),
    channels: text({ mode: "json" }).$type<string[]>(),
    metadata: text({ mode: "json" }).$type<Record<string, string>>().notNull().default({}),
    /** The endpoint's own headers, JSON, sealed (engine/seal.ts). */
    headers: text(),
    throttleRate: integer(),
    /** Which version of the receiver's own interface this is: kept for whoever set it, nothing here reads it. */
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
    /** When it first bade farewell (a 410, `webhook-delivery: disable`) since its last success. */
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
    index("endpoints_due").on(t.applicationId, t.dueAt).where(sql`due_at is not null`), // the retry lane: by application, most overdue first
    index("endpoints_leased").on(t.leasedUntil).where(sql`leased_until is not null`), // what a claim holds, and sweep: what it has lost
    index("endpoints_disabled").on(t.disabledAt).where(sql`disabled_at is not null`), // what needs a person
    index("endpoints_removed").on(t.removedAt).where(sql`removed_at is not null`), // retention
    index("endpoints_taking_all").on(t.applicationId, t.id).where(sql`all_event_types_since is not null`), // dispatch: who takes every event type
  ],
)

/** The pair endpoint × event type (W). */
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

/** Signing secrets, sealed (W). One without an end is current; the others sign along until their grace ends. */
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

/** Facts that happened, and how far each is dispatched: this table is the outbox. Keeps its rowid: payloads are long. */
export const events = sqliteTable(
  "events",
  {
    /** The order in which events were written, which retention walks. Begins anew whenever the table was empty. */
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
    /** The exact bytes to send; null once expunged. Behind what lists read, so that they never walk its overflow pages. */
    payload: text(),
    /** What the payload is, where it is not JSON. Read with the payload alone. */
    contentType: text(),
  },
  (t) => [
    uniqueIndex("events_by_application").on(t.applicationId, t.id), // the key: jobs name both, lists walk it
    uniqueIndex("events_by_uid").on(t.applicationId, t.uid).where(sql`uid is not null`), // one event per publisher's id
    index("events_undispatched").on(t.id).where(sql`dispatched_at is null`), // sweep: what a crash left
    index("events_by_ping").on(t.pingId).where(sql`ping_id is not null`), // a ping's results
    index("events_by_payload_expiry").on(t.payloadExpiresAt).where(sql`payload_expires_at is not null`), // sweep: payloads to forget
  ],
)

/** What came back for an HTTP request: of the first attempt in its delivery's row, of any other in its own. */
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

/** An event owed to an endpoint (W), with the attempt that was made while it was dispatched. */
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
    /** Claims of this delivery alone that ended without a result: as a ping, or where its endpoint is suspect. */
    claims: integer().notNull().default(0),
    /** The ping job that makes its request. */
    leaseToken: text(),
    createdAt: integer().notNull(),
    endedAt: integer(),
    /** Since when somebody has asked for one more attempt, by hand; null once it is made. */
    resendRequestedAt: integer(),
    /** Until when somebody is making that attempt. */
    resendLeasedUntil: integer(),
    /** The first attempt's id where `attemptedAt` is set; else made like one, for the delivery's place in lists. */
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
    index("deliveries_by_endpoint").on(t.endpointId, t.attemptId), // an endpoint's events, and its first attempts, in order
    index("deliveries_pending").on(t.endpointId, t.nextAttemptAt).where(sql`status = 'pending'`), // drain
  ],
)

/** One HTTP request made for a delivery, and what came back (W): all but those in the deliveries' own rows. */
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

/** What an endpoint's attempts came to in one hour (W), written by the sweep when the hour is over. */
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

/** Long work on many rows, done in steps. */
export const tasks = sqliteTable(
  "tasks",
  {
    id: text().primaryKey(),
    applicationId: text().notNull(),
    /** Which step function works it (engine/tasks/kinds.ts). */
    kind: text().notNull(),
    /** What its steps are told, JSON. */
    input: text({ mode: "json" }).$type<unknown>().notNull(),
    status: text({ enum: ["running", "finished", "failed", "canceled"] }).notNull(),
    /** How far it is: the next step begins behind this; null before the first. */
    cursor: text(),
    /** Rows that have changed, over all steps. */
    processed: integer().notNull().default(0),
    createdAt: integer().notNull(),
    updatedAt: integer().notNull(),
    /** Claims that ended without a step. */
    claims: integer().notNull().default(0),
    leaseToken: text(),
    leasedUntil: integer(),
  },
  (t) => [
    index("tasks_running").on(t.applicationId, t.id).where(sql`status = 'running'`), // an application's first; sweep: lost jobs
    index("tasks_by_application").on(t.applicationId, t.id), // an application's list
  ],
)

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

/** Operational events that are still to be moved to the shard of `operations`, in the order in which they happened. */
export const outbox = sqliteTable("outbox", {
  seq: integer().primaryKey(),
  /** The event's. A batch that is repeated leaves two rows, and still one event. */
  id: text().notNull(),
  eventType: text().notNull(),
  /** That of its payload, JSON. */
  data: text().notNull(),
  createdAt: integer().notNull(),
})

/** Receivers to try deliveries with, kept for a day. Their ids are random: whoever knows one may send to it. */
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
/** Applications on their way to another shard, in the directory (engine/applications/move.ts says what the steps are). */
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
 * Application tokens that are ended before their time: one by its own id, or all those of an application, or of one
 * of its sessions (`<application>/<session>`), that were issued until then.
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

/** What a database knows of itself (W): one row, written by each sweep. */
export const systemState = sqliteTable("system_state", {
  key: text({ enum: ["sweep"] }).primaryKey(),
  lastSweepAt: integer().notNull().default(0),
  databaseBytes: integer().notNull().default(0),
  /** The last `seq` that retention has passed over; 0: it begins anew. */
  retentionCursor: integer().notNull().default(0),
  /** Attempts with lower ids are counted, of all endpoints. */
  countedTo: text().notNull().default(""),
  /** While they are being counted further: up to which id, and how far this is. */
  countingTo: text(),
  countingAt: text({ mode: "json" }).$type<[endpointId: string, attemptId: string]>(),
})
