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
const MAX_METADATA_CHARS = 4096
export const Metadata = z.record(z.string(), z.string())
/** Metadata as a change gives it; null means none. */
export const MetadataPatch = keyed(z.string())
  .nullable()
  .transform((metadata) => metadata ?? {})
  .refine(
    (metadata) => JSON.stringify(metadata).length <= MAX_METADATA_CHARS,
    `must have at most ${MAX_METADATA_CHARS} characters as JSON`,
  )
  .openapi({ type: ["object", "null"], additionalProperties: { type: "string" } })
export const MetadataIn = MetadataPatch.default({}).openapi({ default: {} })
/** A switch in the query: off unless it is `true`. */
export const Flag = z
  .enum(["true", "false"])
  .default("false")
  .transform((text) => text === "true")
  .openapi({ type: "boolean", default: false })
/** Text without control characters but white space. */
export const Text = z.string().refine((text) => !hasControls(text), "must not have control characters")
export const ThrottleRate = z.number().int().min(1).max(65_535)
export const DateTime = z.iso.datetime({ offset: true })

function hasControls(text: string): boolean {
  return /[^\P{Cc}\n\r\t\v\f]/u.test(text)
}

/** `2024-02-27T09:08:59.123Z`: the API's times. */
export function toTime(epochMs: number): string {
  return new Date(epochMs).toISOString()
}

/**
 * A time that DateTime takes, in epoch milliseconds, which is what our own times are. One between two milliseconds,
 * however near to the first, is half a millisecond behind it: so that it compares with ours as it should.
 */
export function toEpochMs(time: string): number {
  const [, between = ""] = /\.\d{3}(\d+)/.exec(time) ?? []
  return Date.parse(time) + (/[1-9]/.test(between) ? 0.5 : 0)
}

export const AppPath = z.object({ app_id: IdOrUid })
export const EndpointPath = z.object({ app_id: IdOrUid, endpoint_id: IdOrUid })
export const MessagePath = z.object({ app_id: IdOrUid, msg_id: IdOrUid })
