import { z } from "@hono/zod-openapi"
import { type Application, isApplicationUid } from "../../engine/applications/application.ts"
import { input } from "../input.ts"
import { Metadata, MetadataIn, MetadataPatch, Name, ThrottleRate, toTime, Uid } from "../wire.ts"

const ApplicationUid = Uid.refine(isApplicationUid, "must not begin like an id: app_")

const settings = {
  name: Name,
  throttleRate: ThrottleRate.nullish(),
  uid: ApplicationUid.nullish(),
  metadata: MetadataIn,
}

/** What version 1 of Svix's clients calls it. */
const aliases = { rateLimit: "throttleRate" }

/** An application as it is given; a message may come with one. */
export const ApplicationIn = input(
  z.object(settings).openapi("ApplicationIn", {
    example: { name: "My first application", uid: "unique-app-identifier" },
  }),
  { aliases },
)

export const ApplicationPatch = input(
  z
    .object({ ...settings, name: Name.optional(), metadata: MetadataPatch.optional() })
    .openapi("ApplicationPatch", { example: { name: "My first application" } }),
  { aliases, nullClears: true },
)

export const ApplicationOut = z
  .object({
    id: z.string(),
    uid: Uid.nullish(),
    name: z.string(),
    throttleRate: z.number().int().nullish(),
    rateLimit: z.number().int().nullish().openapi({ deprecated: true, description: "As `throttleRate`" }),
    metadata: Metadata,
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
  })
  .openapi("ApplicationOut", {
    example: {
      id: "app_019a8f0c5d1b7c3e9a4f2b6d8e0c1a3f",
      uid: "unique-app-identifier",
      name: "My first application",
      throttleRate: null,
      rateLimit: null,
      metadata: {},
      createdAt: "2025-05-07T04:03:10.779Z",
      updatedAt: "2025-05-07T04:03:10.779Z",
    },
  })

/** What a new application is made of. */
export function toSettings({ name, uid, throttleRate, metadata }: z.infer<typeof ApplicationIn>) {
  return { name, uid: uid ?? null, throttleRate: throttleRate ?? null, metadata }
}

export function toWire({ createdAt, updatedAt, shard: _, movingTo: __, ...application }: Application) {
  const { throttleRate: rateLimit } = application
  return { ...application, rateLimit, createdAt: toTime(createdAt), updatedAt: toTime(updatedAt) }
}
