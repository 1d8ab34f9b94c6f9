import { sql } from "drizzle-orm"

import { newId } from "../../db/ids.ts"
import { shapeOf } from "../../db/shape.ts"
import { publish } from "../../engine/events/publish.ts"
import type { Remember } from "../../engine/kit/idempotency.ts"
import { type Page, type PageRequest, toPage, walkOf } from "../../engine/kit/page.ts"
import { scanPage } from "../../engine/kit/scan.ts"
import type { Deps } from "../../platform/deps.ts"
import { messages, users } from "./schema.ts"

/** The id of application A, the user notification service. */
export const APPLICATION = "app_users"
const USER = { prefix: "usr" }
const MESSAGE = { prefix: "mail" }

const userShape = shapeOf(users)
const messageShape = shapeOf(messages)

export type User = typeof users.$inferSelect
export type Message = typeof messages.$inferSelect

/** Registers the name and publishes what `payloadOf` makes of the user; null when the name is taken. */
export async function createUser(
  deps: Deps,
  username: string,
  payloadOf: (user: User) => string,
  remember?: Remember<User>,
): Promise<User | null> {
  const registeredAt = deps.clock.now()
  const user = { id: newId(USER, registeredAt), username, registeredAt }
  const isRegistered = sql`EXISTS (SELECT 1 FROM users WHERE id = ${user.id})`
  const { eventId } = await publish(deps, {
    applicationId: APPLICATION,
    eventType: "user_registered",
    payload: payloadOf(user),
    statements: [
      sql`INSERT INTO users (id, username, registered_at) VALUES (${user.id}, ${username}, ${registeredAt}) ON CONFLICT DO NOTHING`,
    ],
    onlyIf: isRegistered,
    closing: remember ? [await remember(user, isRegistered)] : [],
  })
  return eventId === null ? null : user
}

/** A page of the users in order of registration. */
export async function listUsers(deps: Deps, request: PageRequest): Promise<Page<User>> {
  const { behind, order } = walkOf(request, sql`u.id`)
  const rows = await deps.shardOf(APPLICATION).read(sql`
    SELECT ${userShape.columns("u")} FROM users u WHERE ${behind} ${order} LIMIT ${request.limit + 1}`)
  return toPage(request, rows.map(userShape.read))
}

export type Unsendable = "no sender" | "no recipient" | "to oneself"

/** Stores the message and publishes it, or tells the first reason why it cannot be sent. */
export async function createMessage(
  deps: Deps,
  draft: Omit<Message, "id" | "receivedAt">,
  payloadOf: (message: Message) => string,
  remember?: Remember<Message>,
): Promise<Message | Unsendable> {
  const receivedAt = deps.clock.now()
  const message = { id: newId(MESSAGE, receivedAt), ...draft, receivedAt }
  const { sender, recipient, subject } = message
  const isStored = sql`EXISTS (SELECT 1 FROM messages WHERE id = ${message.id})`
  const { eventId, rows } = await publish(deps, {
    applicationId: APPLICATION,
    eventType: "user_send_message",
    payload: payloadOf(message),
    statements: [
      sql`
        INSERT INTO messages (id, sender, recipient, subject, message, received_at)
        SELECT ${message.id}, s.username, r.username, ${subject}, ${message.message}, ${receivedAt}
        FROM users s JOIN users r ON r.username = ${recipient} AND r.username <> s.username
        WHERE s.username = ${sender}
        ON CONFLICT DO NOTHING`,
      sql`
        SELECT EXISTS (SELECT 1 FROM users WHERE username = ${sender}) AS sender,
          EXISTS (SELECT 1 FROM users WHERE username = ${recipient}) AS recipient`,
    ],
    onlyIf: isStored,
    closing: remember ? [await remember(message, isStored)] : [],
  })
  if (eventId !== null) return message
  const known = rows[1]?.at(0)
  if (!known?.sender) return "no sender"
  if (!known.recipient) return "no recipient"
  return "to oneself"
}

/** A page of a user's messages, oldest first; null when there is no such user. */
export async function listMessages(
  deps: Deps,
  recipient: string,
  request: PageRequest,
): Promise<Page<Message> | null> {
  const db = deps.shardOf(APPLICATION)
  const known = await db.read(sql`SELECT 1 FROM users WHERE username = ${recipient}`)
  if (known.length === 0) return null
  const { rows, done } = await scanPage(db, request, {
    table: sql`messages m`,
    place: [sql`m.id`],
    owner: sql`m.recipient = ${recipient}`,
    key: sql`m.id`,
    columns: messageShape.columns("m"),
    bytes: sql`octet_length(m.subject) + octet_length(m.message)`,
  })
  return { rows: rows.map(messageShape.read), done }
}
