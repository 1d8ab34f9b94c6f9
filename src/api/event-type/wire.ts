import { z } from "@hono/zod-openapi"
import type { CatalogType } from "../../engine/event-types/catalog.ts"
import { flawOf } from "../../engine/event-types/schema.ts"
import { isNameable } from "../../engine/rules/names.ts"
import { JsonObject, keyed } from "../../http/keyed.ts"
import { input } from "../input.ts"
import { atMost, Description, EventTypeName, FeatureFlag, toTime, UNNAMEABLE } from "../wire.ts"

/** A page's iterator that begins with a dash leads back, so no name may. */
export const NewName = EventTypeName.refine(
  (name) => !name.startsWith("-"),
  "must not begin with a dash",
).refine(isNameable, UNNAMEABLE)

const schemasInDocument = {
  type: "object",
  additionalProperties: { type: "object", additionalProperties: {} },
  description: "JSON schemas of the payload by version; the highest number is the newest",
} as const

const Schemas = keyed(JsonObject).openapi(schemasInDocument)

const MAX_SCHEMAS_BYTES = 128 * 1024
const [isSmall, tooLarge] = atMost(MAX_SCHEMAS_BYTES)

/** Schemas as they are given: each one must be such that it can be applied. */
const SchemasIn = keyed(JsonObject)
  .refine((schemas) => isSmall(JSON.stringify(schemas)), { error: tooLarge, abort: true })
  .superRefine((schemas, ctx) => {
    for (const [version, schema] of Object.entries(schemas)) {
      const flaw = flawOf(schema)
      if (flaw) ctx.addIssue({ code: "custom", message: flaw.message, path: [version, ...flaw.path] })
    }
  })
  .openapi({
    ...schemasInDocument,
    description: `${schemasInDocument.description}. They are of draft 4, 7, 2019-09 or 2020-12, without references to others; patterns do without lookaround and back references, so that they are matched in linear time`,
  })
const EnforceSchema = z
  .boolean()
  .openapi({ description: "Whether messages that do not fit the newest schema are refused" })

const settings = {
  description: Description,
  archived: z.boolean().default(false),
  deprecated: z.boolean().default(false),
  schemas: SchemasIn.nullish().openapi({ type: ["object", "null"] }),
  featureFlag: FeatureFlag.nullish(),
  enforceSchema: EnforceSchema.default(false),
}

/** A type is behind one flag or none. */
const unsupported = { featureFlags: [] }

export const EventTypeUpdate = input(
  z.object(settings).openapi("EventTypeUpdate", { example: { description: "A user has signed up" } }),
  { unsupported },
)

export const EventTypeIn = input(
  z.object({ name: NewName, ...settings }).openapi("EventTypeIn", {
    example: { name: "user.signup", description: "A user has signed up" },
  }),
  { unsupported },
)

export const EventTypePatch = input(
  z
    .object({
      ...settings,
      description: Description.optional(),
      archived: z.boolean().optional(),
      deprecated: z.boolean().optional(),
      enforceSchema: EnforceSchema.optional(),
    })
    .openapi("EventTypePatch", { example: { deprecated: true } }),
  { unsupported },
)

export const EventTypeOut = z
  .object({
    name: EventTypeName,
    description: z.string(),
    archived: z.boolean().default(false),
    deprecated: z.boolean(),
    schemas: Schemas.nullish().openapi({ type: ["object", "null"] }),
    featureFlag: FeatureFlag.nullish(),
    enforceSchema: z.boolean(),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
  })
  .openapi("EventTypeOut", {
    example: {
      name: "user.signup",
      description: "A user has signed up",
      archived: false,
      deprecated: false,
      schemas: { "1": { type: "object", required: ["userId"], properties: { userId: { type: "string" } } } },
      featureFlag: null,
      enforceSchema: false,
      createdAt: "2025-05-07T04:03:10.779Z",
      updatedAt: "2025-05-07T04:03:10.779Z",
    },
  })

export function toSettings({ schemas, featureFlag, ...given }: z.infer<typeof EventTypeUpdate>) {
  return { ...given, schemas: schemas ?? null, featureFlag: featureFlag ?? null }
}

export function toWire({ id: _, createdAt, updatedAt, ...type }: CatalogType) {
  return { ...type, createdAt: toTime(createdAt), updatedAt: toTime(updatedAt) }
}
