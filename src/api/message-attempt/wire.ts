import { z } from "@hono/zod-openapi"

import type { AttemptRecord } from "../../engine/deliveries/attempts.ts"
import { describeError, explainStatus } from "../../engine/rules/outcome.ts"
import { MessageStatus, MessageStatusText, statusPair } from "../message/wire.ts"
import { MessagePath, toTime } from "../wire.ts"

export const AttemptPath = MessagePath.extend({ attempt_id: z.string().max(256) })

const MessageAttemptTriggerType = z.literal([0, 1]).openapi("MessageAttemptTriggerType", {
  type: "integer",
  enum: [0, 1],
  description: "0 scheduled, 1 by hand",
})

export const MessageAttemptOut = z
  .object({
    id: z.string(),
    msgId: z.string(),
    endpointId: z.string(),
    url: z.url(),
    response: z.string().openapi({
      description:
        "The receiver's answer, cut; without one, why there was none. Of a status that Cloudflare made (520 to 527, 530) a sentence comes first",
    }),
    responseStatusCode: z.number().int().openapi({ format: "int16", description: "0: there was no answer" }),
    responseDurationMs: z.number().int().openapi({ format: "int64" }),
    status: MessageStatus,
    statusText: MessageStatusText,
    triggerType: MessageAttemptTriggerType,
    timestamp: z.iso.datetime(),
  })
  .openapi("MessageAttemptOut")

export function toAttempt(attempt: AttemptRecord, withContent: boolean): z.infer<typeof MessageAttemptOut> {
  const { statusCode } = attempt
  const taken = statusCode !== null && statusCode >= 200 && statusCode <= 299
  return {
    id: attempt.id,
    msgId: attempt.eventId,
    endpointId: attempt.endpointId,
    url: attempt.url,
    response: withContent ? toResponse(attempt) : "{}",
    responseStatusCode: statusCode ?? 0,
    responseDurationMs: attempt.durationMs,
    ...statusPair(taken ? 0 : 2),
    triggerType: attempt.trigger === "manual" ? 1 : 0,
    timestamp: toTime(attempt.createdAt),
  }
}

/** What came back, and ahead of it a sentence where Cloudflare answered in place of the receiver. */
function toResponse(attempt: AttemptRecord): string {
  const { body, error, statusCode } = attempt
  if (body === null) return "EXPUNGED"
  if (error !== null) return describeError(error)
  const explanation = statusCode === null ? null : explainStatus(statusCode)
  return [explanation, toText({ ...attempt, body })].filter(Boolean).join("\n\n")
}

/** The answer as text: what is no clean UTF-8 as near to it as text can be. */
function toText({ body, bodyEncoding }: AttemptRecord & { body: string }): string {
  if (bodyEncoding === "utf8") return body
  return new TextDecoder().decode(Uint8Array.fromBase64(body))
}
