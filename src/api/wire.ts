import { z } from "@hono/zod-openapi"

/** An id or a uid, as paths take either. */
export const IdOrUid = z
  .string()
  .regex(/^[a-zA-Z0-9\-_.]+$/)
  .max(256)
export const Uid = z
  .string()
  .regex(/^[a-zA-Z0-9\-_.]+$/, "must be letters, digits, and -_.")
  .min(1)
  .max(256)
export const EventTypeName = z
  .string()
  .regex(/^[a-zA-Z0-9\-_.]+$/, "must be letters, digits, and -_.")
  .max(256)
export const Channel = z
  .string()
  .regex(/^[a-zA-Z0-9\-_.]+$/, "must be letters, digits, and -_.")
  .max(128)
export const Metadata = z.record(z.string(), z.string())
export const ThrottleRate = z.number().int().min(1).max(65_535)
export const DateTime = z.iso.datetime({ offset: true })

/** `2024-02-27T09:08:59.123Z`: the API's times. */
export function toTime(epochMs: number): string {
  return new Date(epochMs).toISOString()
}

export const AppPath = z.object({ app_id: IdOrUid })
export const EndpointPath = z.object({ app_id: IdOrUid, endpoint_id: IdOrUid })
export const MessagePath = z.object({ app_id: IdOrUid, msg_id: IdOrUid })
