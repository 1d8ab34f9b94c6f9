import { z } from "@hono/zod-openapi"

import type { DeliveryProgress } from "../../engine/deliveries/delivery.ts"
import type { DeliveryReason, Verdict } from "../../engine/deliveries/verdicts.ts"
import type { Rehearsed } from "../../engine/events/rehearse.ts"
import type { Absence, Mismatch } from "../../engine/rules/match.ts"
import { DISABLED_FOR } from "../endpoint/wire.ts"
import { toTime } from "../wire.ts"

/** Why an endpoint does not get a message, for people. */
const MISMATCHES = {
  removed: "The endpoint was deleted.",
  "directed-elsewhere": "The message was sent to one other endpoint alone.",
  "created-later": "The endpoint was created after the message was sent.",
  "not-subscribed": "The endpoint does not ask for this event type: add it to its eventTypes.",
  "subscribed-later": "The endpoint has asked for this event type only since the message was sent.",
  "channel-mismatch": "The endpoint asks for channels, and the message is on none of them.",
  disabled: "The endpoint was disabled: enable it, then resend the message or recover the endpoint.",
} satisfies Record<Mismatch, string>

const ABSENCES = {
  ...MISMATCHES,
  "changed-since":
    "The endpoint would get the message today, but did not ask for it, or was disabled, when the message was sent.",
  undispatched: "The message is still to be turned into deliveries, which takes a moment.",
  internal: "It was given up after faults of ours: resend it.",
} satisfies Record<Absence, string>

/** Why a delivery ended without success, for people. */
const ENDS = {
  ...ABSENCES,
  disabled: "The endpoint was disabled before the message was delivered.",
  removed: "The endpoint was deleted before the message was delivered.",
  gone: "The endpoint answered 410 Gone, and was disabled.",
  aborted:
    "The endpoint answered `webhook-delivery: abort-message`: it wants no more attempts of the message.",
  exhausted: "Every attempt has failed, and no retry is left.",
  "refused-target": "The endpoint's URL is not allowed as a target.",
  expired: "The payload was deleted before the message was delivered.",
  unsubscribed: "The endpoint stopped asking for this event type before the message was delivered.",
  "by-hand": "It was canceled by hand before the message was delivered: resend it to send it after all.",
} satisfies Record<DeliveryReason, string>

const PROGRESS = {
  delivered: "The endpoint has taken the message.",
  pending: "The first attempt is still to be made.",
  sending: "The first attempt is being made.",
  retrying: "It has failed so far; `nextAttempt` says when it is tried again.",
  failed: "It has failed.",
  canceled: "It is not owed any more.",
} satisfies Record<DeliveryProgress, string>

const endpointNames = {
  endpointId: z.string(),
  endpointUid: z.string().nullable(),
  url: z.string(),
}
const Explanation = z.string().openapi({ description: "The same in a sentence" })

const VERDICTS = ["delivered", "pending", "failed", "canceled", "no-delivery"] as const

export const EndpointVerdictOut = z
  .object({
    ...endpointNames,
    verdict: z.enum(VERDICTS),
    reason: z
      .enum(keysOf({ ...ENDS, ...ABSENCES }))
      .nullable()
      .openapi({
        description:
          "Why the message was not delivered, or why the endpoint has no delivery of it, judged by what the endpoint is now",
      }),
    explanation: Explanation,
    nextAttempt: z.iso.datetime().nullable(),
  })
  .openapi("EndpointVerdictOut")

export function toVerdict({ endpoint, delivery, absence }: Verdict): z.infer<typeof EndpointVerdictOut> {
  if (delivery === null) return { ...namesOf(endpoint), ...absenceOf(absence, endpoint), nextAttempt: null }
  const { progress, reason, nextAttemptAt } = delivery
  return {
    ...namesOf(endpoint),
    verdict: progress === "sending" || progress === "retrying" ? "pending" : progress,
    reason,
    explanation: reason === null ? PROGRESS[progress] : ENDS[reason],
    nextAttempt: nextAttemptAt === null ? null : toTime(nextAttemptAt),
  }
}

/** What is said where there is no delivery: it may still be made, or have been given up. */
const VERDICT_WITHOUT: Partial<Record<Absence, (typeof VERDICTS)[number]>> = {
  undispatched: "pending",
  internal: "failed",
}

function absenceOf(reason: Absence, endpoint: Verdict["endpoint"]) {
  const explanation = withDisabling(ABSENCES[reason], reason, endpoint)
  return { verdict: VERDICT_WITHOUT[reason] ?? "no-delivery", reason, explanation }
}

/** The sentence, and why the endpoint was disabled where that is the reason. */
function withDisabling(sentence: string, reason: Absence, { disabledReason }: Verdict["endpoint"]): string {
  if (reason !== "disabled" || disabledReason === null) return sentence
  return sentence.replace("disabled", `disabled (${DISABLED_FOR[disabledReason]})`)
}

export const EndpointMatchOut = z
  .object({
    ...endpointNames,
    gets: z.boolean().openapi({ description: "Whether the endpoint would get the message" }),
    reason: z.enum(keysOf(MISMATCHES)).nullable().openapi({ description: "Why it would not" }),
    explanation: Explanation,
  })
  .openapi("EndpointMatchOut")

const WOULD_GET = "The endpoint would get the message."
const WOULD_NOT: Partial<Record<Mismatch, string>> = {
  disabled: "The endpoint is disabled: enable it first.",
}

export function toMatch({ endpoint, mismatch }: Rehearsed): z.infer<typeof EndpointMatchOut> {
  return {
    ...namesOf(endpoint),
    gets: mismatch === null,
    reason: mismatch,
    explanation:
      mismatch === null
        ? WOULD_GET
        : withDisabling(WOULD_NOT[mismatch] ?? MISMATCHES[mismatch], mismatch, endpoint),
  }
}

function namesOf({ id, uid, url }: Verdict["endpoint"]) {
  return { endpointId: id, endpointUid: uid, url }
}

function keysOf<Key extends string>(sentences: Record<Key, string>): [Key, ...Key[]] {
  return Object.keys(sentences) as [Key, ...Key[]]
}
