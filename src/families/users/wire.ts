import { z } from "@hono/zod-openapi"
import { listEventTypes } from "../../engine/event-types/event-type.ts"
import { Problem } from "../../http/problem.ts"
import { writeJson } from "../../http/raw-json.ts"
import type { Deps } from "../../platform/deps.ts"

const MAX_NAME = 64
// C0 and C1 controls and DEL; text may have line breaks and tabs.
const CONTROL = /\p{Cc}/u
const CONTROL_IN_TEXT = /[^\P{Cc}\n\r\t]/u

/**
 * A user's name as sent, lower-cased as stored; what is stored counts: `İ` has two characters in lower case.
 */
export const Username = z
  .string()
  .transform((name) => name.toLowerCase())
  .refine((name) => name !== "" && [...name].length <= MAX_NAME, `must have 1 to ${MAX_NAME} characters`)
  .refine((name) => !CONTROL.test(name), "must not have control characters")

/** Text of at most `limit` characters, or bytes of UTF-8; empty is fine. */
export function Text(limit: number, unit: "characters" | "bytes") {
  return z
    .string()
    .refine((text) => lengthIn(unit, text) <= limit, `must have at most ${limit} ${unit}`)
    .refine(
      (text) => !CONTROL_IN_TEXT.test(text),
      "must not have control characters but line breaks and tabs",
    )
}

function lengthIn(unit: "characters" | "bytes", text: string): number {
  return unit === "bytes" ? new TextEncoder().encode(text).byteLength : [...text].length
}

/** `2025-05-07T04:03:10.779+00:00`: A's times always name the offset. */
export function toTime(epochMs: number): string {
  return new Date(epochMs).toISOString().replace("Z", "+00:00")
}

/** What A's receivers get, for events and pings alike. */
export function toPayload(event: string, data: unknown): string {
  return writeJson({ event, data })
}

/** The event type of one of the applications that the filter names exactly; 404 in A's words. */
export async function requireEventType(
  deps: Deps,
  applicationIds: readonly string[],
  name: string,
): Promise<void> {
  const lists = await Promise.all(applicationIds.map((id) => listEventTypes(deps, id)))
  if (!lists.flat().some((type) => type.name === name))
    throw new Problem(404, null, `Event '${name}' not found.`)
}
