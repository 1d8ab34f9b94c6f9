import type { Context } from "hono"

import { type EventWithPayload, getEvent } from "../../engine/events/event.ts"
import { sendInOneTrip } from "../../engine/events/send.ts"
import type { Remember } from "../../engine/kit/idempotency.ts"
import { idempotent, onceFor, type Subject } from "../../http/middleware/idempotency.ts"
import type { AppEnv } from "../../http/router.ts"
import { toMessage } from "./wire.ts"

/**
 * Sends a message once for each Idempotency-Key; answers it for `jsonAnswer`. Its payload is not kept with
 * the answer, but read anew: once it is deleted, no key brings it back.
 */
export async function sendOnce(
  c: Context<AppEnv>,
  subject: Subject,
  withContent: boolean,
  send: (remember: Remember<EventWithPayload> | undefined) => Promise<EventWithPayload>,
) {
  let sent: EventWithPayload | null = null
  const { body } = await idempotent(
    c,
    subject,
    async (remember: Remember<EventWithPayload> | undefined) => {
      sent = await send(remember)
      return sent
    },
    answerOf,
  )
  if (!withContent) return body
  const event = sent ?? (await getEvent(c.var.deps, subject.applicationId, body.id))
  return { ...body, payload: toMessage(event, true).payload }
}

/**
 * The same in one trip for the application that the path names, where nothing stands in the way, not even a
 * key that was used before; else null, and nothing is written.
 */
export async function sendOnceInOneTrip(
  c: Context<AppEnv>,
  application: string,
  withContent: boolean,
  event: Parameters<typeof sendInOneTrip>[2],
) {
  const once = await onceFor(c, application, answerOf)
  const sent = await sendInOneTrip(c.var.deps, application, event, once)
  return sent && toMessage(sent, withContent)
}

function answerOf(event: EventWithPayload) {
  return { status: 200, body: toMessage(event, false) }
}
