import { z } from "@hono/zod-openapi"

import { isObject } from "../engine/rules/json.ts"

interface Unlisted {
  /** Older names of the schema's fields: what comes under one is taken for the field that it stands for. */
  aliases?: Readonly<Record<string, string>>
  /** Whether null says something of these fields (PATCH); else it is as good as nothing. */
  nullClears?: boolean
  /**
   * Fields that would change what is done, and are not supported. Beside null each may ask for
   * nothing with one value.
   */
  unsupported?: Readonly<Record<string, unknown>>
}

/**
 * A body or a query with the fields that Svix's clients send and that are not in our document. Older names
 * are taken for the newer ones, and what both say must be the same. What cannot be done is refused by its
 * name: it would be worse to drop it silently. Any other field that nobody knows is ignored.
 */
export function input<Schema extends z.ZodObject>(
  schema: Schema,
  unlisted: Unlisted,
): z.ZodPipe<z.core.$ZodTransform, Schema> {
  const { aliases = {}, unsupported = {}, nullClears = false } = unlisted
  return z.preprocess((given: unknown, context) => {
    if (!isObject(given)) return given
    const refuse = (field: string, message: string) =>
      context.addIssue({ code: "custom", path: [field], message, input: given[field] })
    for (const [field, harmless] of Object.entries(unsupported)) {
      if (Object.hasOwn(given, field) && given[field] !== null && !isSame(given[field], harmless)) {
        refuse(field, "is not supported: leave it out")
      }
    }
    const says = (field: string) => Object.hasOwn(given, field) && (nullClears || given[field] !== null)
    const named = { ...given }
    for (const [alias, field] of Object.entries(aliases)) {
      if (!says(alias)) continue
      if (!says(field)) named[field] = given[alias]
      else if (!isSame(given[alias], given[field])) {
        refuse(alias, `is an older name of ${field}, which says something else: leave one of the two out`)
      }
    }
    return named
  }, schema)
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
