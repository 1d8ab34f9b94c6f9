import { z } from "@hono/zod-openapi"

import { isObject } from "../engine/rules/json.ts"

/**
 * An object whose keys are whatever the sender chose, every one of them kept: `z.record` would drop
 * `__proto__`. Its schema in the document is the caller's to give, by `openapi`.
 */
export function keyed<Value extends z.ZodType>(value: Value) {
  return z.unknown().transform((given, ctx): Record<string, z.output<Value>> => {
    if (!isObject(given)) {
      const message = `must be an object${given === undefined ? ", received undefined" : ""}`
      ctx.addIssue({ code: "invalid_type", expected: "object", input: given, message })
      return z.NEVER
    }
    const pairs = Object.entries(given).map(([key, item]) => {
      const result = value.safeParse(item)
      for (const { message, path } of result.error?.issues ?? []) {
        ctx.addIssue({ code: "custom", message, path: [key, ...path], input: item })
      }
      return [key, result.data] as const
    })
    return Object.fromEntries(pairs) as Record<string, z.output<Value>>
  })
}

/** Any JSON object, as it was parsed. What is passed on is rather the text: see raw-json.ts. */
export const JsonObject = keyed(z.unknown()).openapi({ type: "object", additionalProperties: {} })
