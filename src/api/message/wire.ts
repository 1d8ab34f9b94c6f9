import { z } from "@hono/zod-openapi"

import type { DeliveryProgress, Progress } from "../../engine/deliveries/delivery.ts"
import type { EventWithPayload } from "../../engine/events/event.ts"
import { isObject, parseJson } from "../../engine/rules/json.ts"
import { oneOfNumbers } from "../../http/query.ts"
import { verbatim } from "../../http/raw-json.ts"
import { Channel, EventTypeName, toTime, Uid } from "../wire.ts"

const MAX_CHANNELS = 5

export const Channels = z
  .array(Channel)
  .min(1)
  .max(MAX_CHANNELS)
  .openapi({ uniqueItems: true, example: ["project_123"] })

const fields = {
  eventId: Uid.nullish().openapi({ description: "The sender's own id for the message" }),
  eventType: EventTypeName.openapi({ example: "user.signup" }),
  payload: z.record(z.string(), z.unknown()).openapi({
    description:
      'Empty unless asked for, and where a text was sent that is no JSON object; `{"expired": true}` once it is deleted',
    example: { email: "ada@example.com" },
  }),
  channels: Channels.nullish(),
  id: z.string().openapi({ example: "evt_019bc1d2f0a07c3d8e4f5a6b7c8d9e0f" }),
  timestamp: z.iso.datetime(),
}

export const MessageOut = z.object(fields).openapi("MessageOut")

const STATUSES = [0, 1, 2, 3] as const
const STATUS_TEXTS = ["success", "pending", "fail", "sending"] as const

export const MessageStatus = z.literal(STATUSES).openapi("MessageStatus", {
  type: "integer",
  enum: [...STATUSES],
  description: "0 success, 1 pending: not attempted yet, 2 fail, 3 sending: retries are under way",
})
export const MessageStatusText = z.enum(STATUS_TEXTS).openapi("MessageStatusText")

export const withStatus = {
  status: MessageStatus,
  statusText: MessageStatusText,
  nextAttempt: z.iso.datetime().nullish(),
}

export const EndpointMessageOut = z.object({ ...fields, ...withStatus }).openapi("EndpointMessageOut")

/** `?status=0`: the states of deliveries that it stands for. */
export const StatusFilter = oneOfNumbers(STATUSES).optional()

type StatusOf = Record<DeliveryProgress, (typeof STATUSES)[number]>

/** The status of a message among those to an endpoint. */
const MESSAGE_STATUS: StatusOf = {
  delivered: 0,
  pending: 1,
  failed: 2,
  // What will not be sent any more because its endpoint is gone; Svix's shape has no word for it.
  canceled: 2,
  sending: 3,
  retrying: 3,
}
/** The status of an endpoint among those of a message: that of the last attempt, where there is one. */
const DESTINATION_STATUS: StatusOf = { ...MESSAGE_STATUS, retrying: 2 }

/** What deliveries of messages with this status are to us; undefined for no filter. */
export function progressWith(status: number | undefined): DeliveryProgress[] | undefined {
  if (status === undefined) return undefined
  const all = Object.keys(MESSAGE_STATUS) as DeliveryProgress[]
  return all.filter((progress) => MESSAGE_STATUS[progress] === status)
}

/** How far a message to an endpoint is. */
export function messageStatus(delivery: Progress) {
  return statusOf(delivery, MESSAGE_STATUS)
}

/** How far the delivery of a message to one of its endpoints is. */
export function destinationStatus(delivery: Progress) {
  return statusOf(delivery, DESTINATION_STATUS)
}

/** The status in both of its forms, and when it goes on. */
function statusOf(delivery: Progress, statuses: StatusOf) {
  return {
    ...statusPair(statuses[delivery.progress]),
    nextAttempt: delivery.nextAttemptAt === null ? null : toTime(delivery.nextAttemptAt),
  }
}

export function statusPair(status: (typeof STATUSES)[number]) {
  return { status, statusText: STATUS_TEXTS[status] }
}

/**
 * The payload exactly as it was sent: of a text that is no JSON object only
 * the `{}` can be shown that came with it.
 */
function shownPayload(payload: string | null): Record<string, unknown> {
  if (payload === null) return { expired: true }
  return isObject(parseJson(payload)) ? verbatim(payload) : {}
}

/** An event as a message, for `jsonAnswer`; without its content unless asked for. */
export function toMessage(event: EventWithPayload, withContent: boolean): z.infer<typeof MessageOut> {
  return {
    eventId: event.uid,
    eventType: event.eventType,
    payload: withContent ? shownPayload(event.payload) : {},
    channels: event.channels,
    id: event.id,
    timestamp: toTime(event.createdAt),
  }
}
