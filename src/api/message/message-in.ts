import { z } from "@hono/zod-openapi"

import { MAX_PAYLOAD_BYTES } from "../../engine/events/insert.ts"
import { JsonObject } from "../../http/keyed.ts"
import { jsonBody } from "../../http/middleware/json-body.ts"
import { ApplicationIn } from "../application/wire.ts"
import { input } from "../input.ts"
import { EventTypeName, Uid } from "../wire.ts"
import { contentOf, PAYLOAD_ALIAS, RawContent } from "./raw-content.ts"
import { Channels } from "./wire.ts"

/** What a request may have besides its payload. */
const ENVELOPE_BYTES = 32 * 1024
/** A payload of text stands in a string of JSON, which can spend six bytes on one (`\\u003c`). */
const MAX_BODY_BYTES = 6 * MAX_PAYLOAD_BYTES + ENVELOPE_BYTES

const MessageInFields = z
  .object({
    application: ApplicationIn.nullish(),
    channels: Channels.nullish(),
    eventId: Uid.nullish().openapi({
      description: "Unique within the application while the message is kept",
    }),
    eventType: EventTypeName.openapi({ example: "user.signup" }),
    payload: JsonObject.openapi({
      description: "Delivered byte for byte as it stands in the request",
      example: { email: "ada@example.com" },
    }),
    payloadRetentionPeriod: z.number().int().min(5).max(90).default(90).openapi({ description: "In days" }),
    transformationsParams: RawContent.nullish(),
  })
  .openapi("MessageIn")

export const MessageIn = input(MessageInFields, {
  // As version 1 of Svix's server called it.
  aliases: { [PAYLOAD_ALIAS]: "payload" },
  unsupported: { deliverAt: null, tags: [], payloadRetentionHours: null },
})

/** Reads the body of a request that brings a message along. */
export const messageBody = jsonBody({ maxBytes: MAX_BODY_BYTES })

/** A message as the engine takes it: what was given, and the text of the body that it stood in. */
export function toNewEvent(given: z.infer<typeof MessageIn>, requestBody: string) {
  return {
    eventType: given.eventType,
    ...contentOf(requestBody, given.transformationsParams),
    uid: given.eventId ?? null,
    channels: given.channels ? [...new Set(given.channels)] : null,
    payloadDays: given.payloadRetentionPeriod,
  }
}
