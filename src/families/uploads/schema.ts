import { sql } from "drizzle-orm"
import { index, integer, sqliteTable, text } from "drizzle-orm/sqlite-core"

/** What a registration has besides its endpoint, whose id it shares. */
export const uploadRegistrations = sqliteTable("upload_registrations", {
  endpointId: text().primaryKey(),
  userId: integer().notNull(),
  /** A JSON object, as its text was sent. */
  customPayload: text(),
  createdAt: integer().notNull(),
  updatedAt: integer().notNull(),
})

/** Uploaded files. The row is there before the first byte is stored, so that no object is without one. */
export const uploads = sqliteTable(
  "uploads",
  {
    id: text().primaryKey(),
    endpointId: text().notNull(),
    /** `receiving` is ours: the request that brings the file is still under way, or died. */
    state: text({ enum: ["receiving", "received", "processing", "completed", "failed"] }).notNull(),
    failure: text(),
    /** A label from a stranger, never a path. */
    fileName: text().notNull(),
    contentType: text().notNull(),
    size: integer(),
    sha256: text(),
    /** R2's id of the unfinished multipart upload; null once it is complete or aborted. */
    multipartId: text(),
    /** The event that its completion published. */
    eventId: text(),
    createdAt: integer().notNull(),
    updatedAt: integer().notNull(),
    claims: integer().notNull().default(0),
    leaseToken: text(),
    leasedUntil: integer(),
  },
  (t) => [
    index("uploads_unfinished").on(t.id).where(sql`state in ('receiving', 'received', 'processing')`), // sweep: what a crash left
  ],
)
