import { z } from "@hono/zod-openapi"

import { isNameable } from "../engine/rules/names.ts"
import { keyed } from "../http/keyed.ts"

/** Why a name was refused that a path cannot hold. */
export const UNNAMEABLE = 'must not be "." or "..", which URLs fold away'
/** An id or a uid, as paths take either. */
export const IdOrUid = z
  .string()
  .regex(/^[a-zA-Z0-9\-_.]+$/)
  .min(1)
  .max(256)
export const Uid = z
  .string()
  .regex(/^[a-zA-Z0-9\-_.]+$/, "must be letters, digits, and -_.")
  .min(1)
  .max(256)
  .refine(isNameable, UNNAMEABLE)
export const EventTypeName = z
  .string()
  .regex(/^[a-zA-Z0-9\-_.]+$/, "must be letters, digits, and -_.")
  .max(256)
export const FeatureFlag = z
  .string()
  .regex(/^[a-zA-Z0-9\-_.]+$/, "must be letters, digits, and -_.")
  .max(256)
export const Channel = z
  .string()
  .regex(/^[a-zA-Z0-9\-_.]+$/, "must be letters, digits, and -_.")
  .max(128)
const MAX_NAME_CHARS = 256
const MAX_DESCRIPTION_BYTES = 4 * 1024
const MAX_METADATA_KEYS = 50
const MAX_METADATA_KEY_CHARS = 64
const MAX_METADATA_VALUE_BYTES = 1024
export const Metadata = z.record(z.string(), z.string())
/** Metadata as a change gives it; null means none. */
export const MetadataPatch = keyed(z.string().refine(...atMost(MAX_METADATA_VALUE_BYTES)))
  .nullable()
  .transform((metadata) => metadata ?? {})
  .refine(
    (metadata) => Object.keys(metadata).length <= MAX_METADATA_KEYS,
    `must have at most ${MAX_METADATA_KEYS} keys`,
  )
  .refine(
    (metadata) => Object.keys(metadata).every((key) => key.length <= MAX_METADATA_KEY_CHARS),
    `must have keys of at most ${MAX_METADATA_KEY_CHARS} characters`,
  )
  .openapi({
    type: ["object", "null"],
    maxProperties: MAX_METADATA_KEYS,
    additionalProperties: { type: "string", maxLength: MAX_METADATA_VALUE_BYTES },
  })
export const MetadataIn = MetadataPatch.default({}).openapi({ default: {} })
/** A switch in the query: off unless it is `true`. */
export const Flag = z
  .enum(["true", "false"])
  .default("false")
  .transform((text) => text === "true")
  .openapi({ type: "boolean", default: false })
/** Text without control characters but white space. */
const Text = z.string().refine((text) => !hasControls(text), "must not have control characters")
export const Name = Text.min(1).max(MAX_NAME_CHARS)
export const Description = Text.max(MAX_DESCRIPTION_BYTES).refine(...atMost(MAX_DESCRIPTION_BYTES))
export const ThrottleRate = z.number().int().min(1).max(65_535)
/**
 * RFC 3339, and as some languages print it: `2026-11-25 14:57:07 UTC`, or without
 * seconds where they are none.
 */
const TIME = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d)(?:(:\d\d)(\.\d+)?)? ?(Z|UTC|[+-]\d\d:?\d\d)$/i
const IsoTime = z.iso.datetime({ offset: true })

/**
 * A time that somebody sends, in epoch milliseconds, which is what our own times are. One between
 * two milliseconds, however near to the first, is half a millisecond behind it: so that it compares
 * with ours as it should.
 */
export const DateTime = z
  .string()
  .transform((text, context) => {
    const [, day, time, seconds = ":00", fraction = "", zone = ""] = TIME.exec(text) ?? []
    const offset = /^(Z|UTC)$/i.test(zone) ? "Z" : zone.replace(/(\d\d):?(\d\d)$/, "$1:$2")
    const inMs = `${day}T${time}${seconds}${fraction.slice(0, ".123".length)}${offset}`
    const between = /[1-9]/.test(fraction.slice(".123".length))
    if (IsoTime.safeParse(inMs).success) return Date.parse(inMs) + (between ? 0.5 : 0)
    context.addIssue("must be a time with its zone, such as 2026-11-25T14:57:07Z")
    return z.NEVER
  })
  .openapi({ type: "string", format: "date-time" })

/** For `refine`: the text takes at most so many bytes as it is stored. */
export function atMost(bytes: number): [(text: string) => boolean, string] {
  return [(text) => new TextEncoder().encode(text).byteLength <= bytes, `must have at most ${bytes} bytes`]
}

function hasControls(text: string): boolean {
  return /[^\P{Cc}\n\r\t\v\f]/u.test(text)
}

/** `2024-02-27T09:08:59.123Z`: the API's times. */
export function toTime(epochMs: number): string {
  return new Date(epochMs).toISOString()
}

export const AppPath = z.object({ app_id: IdOrUid })
export const EndpointPath = z.object({ app_id: IdOrUid, endpoint_id: IdOrUid })
export const MessagePath = z.object({ app_id: IdOrUid, msg_id: IdOrUid })
