import { z } from "@hono/zod-openapi"

import { type DisabledReason, type Endpoint, isEndpointUid } from "../../engine/endpoints/endpoint.ts"
import { MAX_EVENT_TYPES } from "../../engine/event-types/event-type.ts"
import { keyed } from "../../http/keyed.ts"
import { input } from "../input.ts"
import {
  Channel,
  Description,
  EventTypeName,
  Metadata,
  MetadataIn,
  MetadataPatch,
  ThrottleRate,
  toTime,
  Uid,
} from "../wire.ts"

const MAX_CHANNELS = 10

const EndpointUid = Uid.refine(isEndpointUid, "must not begin like an id: ep_")
/** Read by the engine, which knows what may be a target. */
const Url = z.string().min(1).max(65_536).openapi({ format: "uri" })

/** A list without order whose repetitions do not count. */
function setOf<Item extends z.ZodType<string>>(item: Item, most: number) {
  return z
    .array(item)
    .min(1)
    .max(most)
    .transform((items) => [...new Set<string>(items)])
    .openapi({ uniqueItems: true })
}

const Version = z.number().int().min(1).max(65_535)

/** What version 1 of Svix's clients calls them. */
const aliases = { filterTypes: "eventTypes", rateLimit: "throttleRate" }
/** Changed with operations of their own. */
const unsupported = { secret: null, headers: null }

const settings = {
  url: Url,
  description: Description.default(""),
  uid: EndpointUid.nullish(),
  throttleRate: ThrottleRate.nullish(),
  version: Version.nullish().openapi({
    deprecated: true,
    description: "A number of your own, kept and answered; 1 if not given",
  }),
  disabled: z.boolean().default(false),
  eventTypes: setOf(EventTypeName, MAX_EVENT_TYPES)
    .nullish()
    .openapi({ description: "What the endpoint gets; null or nothing: every type there is and will be" }),
  channels: setOf(Channel, MAX_CHANNELS).nullish().openapi({
    description: "The endpoint gets messages of these channels alone; null or nothing: all messages",
  }),
  metadata: MetadataIn,
}

export const Secret = z.string().max(200).nullish().openapi({
  description:
    "Base64 of 24 to 64 bytes, with or without `whsec_` in front, or an Ed25519 key behind `whsk_`. Without one it is made",
  example: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
})

const example = { url: "https://example.com/webhook/", eventTypes: ["user.signup"] }

export const EndpointUpdate = input(z.object(settings).openapi("EndpointUpdate", { example }), {
  aliases,
  unsupported,
})

/** Headers by name, each with its value. */
export const HeadersIn = keyed(z.string()).openapi({
  type: "object",
  additionalProperties: { type: "string" },
})

const EndpointInFields = z
  .object({
    ...settings,
    secret: Secret,
    headers: HeadersIn.nullish().openapi({
      type: ["object", "null"],
      description: "Sent along with each delivery",
    }),
  })
  .openapi("EndpointIn", { example })

export const EndpointIn = input(EndpointInFields, { aliases })

const EndpointPatchFields = z
  .object({
    ...settings,
    url: Url.optional(),
    description: Description.optional(),
    version: Version.optional().openapi({ deprecated: true }),
    disabled: z.boolean().optional(),
    metadata: MetadataPatch.optional(),
  })
  .openapi("EndpointPatch", { example: { disabled: true } })

export const EndpointPatch = input(EndpointPatchFields, {
  aliases,
  nullClears: true,
  unsupported,
})

/** Why an endpoint is disabled, for people. */
export const DISABLED_FOR = {
  manual: "by hand",
  gone: "it answered 410 Gone",
  asked: "it asked for it with `webhook-delivery: disable`",
  failing: "it had only failed for too long",
} satisfies Record<DisabledReason, string>

export const EndpointOut = z
  .object({
    id: z.string(),
    uid: Uid.nullish(),
    url: z.string(),
    description: z.string(),
    throttleRate: z.number().int().nullish(),
    rateLimit: z.number().int().nullish().openapi({ deprecated: true, description: "As `throttleRate`" }),
    version: z.number().int().openapi({ deprecated: true }),
    disabled: z.boolean().default(false),
    disabledReason: z
      .enum(Object.keys(DISABLED_FOR) as DisabledReason[])
      .nullish()
      .openapi({
        description: Object.entries(DISABLED_FOR)
          .map(([reason, words]) => `${reason}: ${words}`)
          .join("; "),
      }),
    eventTypes: z
      .array(EventTypeName)
      .nullish()
      .openapi({ uniqueItems: true, description: "Null: every type there is and will be" }),
    filterTypes: z
      .array(EventTypeName)
      .nullish()
      .openapi({ uniqueItems: true, deprecated: true, description: "As `eventTypes`" }),
    channels: z.array(Channel).nullish().openapi({ uniqueItems: true }),
    metadata: Metadata,
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
  })
  .openapi("EndpointOut", {
    example: {
      id: "ep_019a8f0c5d1b7c3e9a4f2b6d8e0c1a3f",
      uid: null,
      url: "https://example.com/webhook/",
      description: "",
      throttleRate: null,
      rateLimit: null,
      version: 1,
      disabled: false,
      disabledReason: null,
      eventTypes: ["user.signup"],
      filterTypes: ["user.signup"],
      channels: null,
      metadata: {},
      createdAt: "2025-05-07T04:03:10.779Z",
      updatedAt: "2025-05-07T04:03:10.779Z",
    },
  })

/** What an endpoint is made of, or gets in place of what it is made of. */
export function toSettings(given: z.infer<typeof EndpointUpdate>) {
  return {
    ...given,
    uid: given.uid ?? null,
    throttleRate: given.throttleRate ?? null,
    version: given.version ?? 1,
    eventTypes: given.eventTypes ?? null,
    channels: given.channels ?? null,
  }
}

export function toWire(endpoint: Endpoint): z.output<typeof EndpointOut> {
  const { disabledAt, createdAt, updatedAt, channels, ...rest } = endpoint
  const eventTypes = endpoint.eventTypes && [...endpoint.eventTypes]
  return {
    ...rest,
    rateLimit: endpoint.throttleRate,
    disabled: disabledAt !== null,
    eventTypes,
    filterTypes: eventTypes,
    channels: channels && [...channels],
    createdAt: toTime(createdAt),
    updatedAt: toTime(updatedAt),
  }
}
