import { z } from "@hono/zod-openapi"

import type { Inbox } from "../../engine/inboxes/inbox.ts"
import type { InboxRequest } from "../../engine/inboxes/requests.ts"
import { SIGNATURE_VERDICTS, verifySignature } from "../../engine/inboxes/signature.ts"
import { decodeSecret } from "../../engine/rules/secret.ts"
import { toTime } from "../wire.ts"

const MAX_DELAY_MS = 30_000
const MAX_RETRY_AFTER_SECONDS = 24 * 3600

const Status = z.number().int().min(200).max(599)

/** How an inbox answers, as it is asked for: what is left out stays as it was. */
const settings = {
  status: Status.optional().openapi({ description: "What it answers; 200 unless told otherwise" }),
  retryAfterSeconds: z
    .number()
    .int()
    .min(0)
    .max(MAX_RETRY_AFTER_SECONDS)
    .nullish()
    .openapi({ description: "A Retry-After header to go with it" }),
  delayMs: z
    .number()
    .int()
    .min(0)
    .max(MAX_DELAY_MS)
    .optional()
    .openapi({ description: "How long it thinks first" }),
  hangs: z.boolean().optional().openapi({ description: "Whether it takes requests and never answers" }),
  secret: z
    .string()
    .max(200)
    .refine(
      (secret) => decodeSecret(secret) !== null,
      "must be a secret of Standard Webhooks: whsec_ or whsk_ and base64",
    )
    .nullish()
    .openapi({
      description: "What the endpoint's deliveries are signed with, to verify them; it is not shown again",
    }),
}

export const InboxIn = z
  .object(settings)
  .openapi("InboxIn", { example: { status: 200, secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" } })
export const InboxPatch = z
  .object(settings)
  .openapi("InboxPatch", { example: { status: 429, retryAfterSeconds: 30 } })

const INBOX = {
  id: "ibx_5f2b8c1d9e0a47b6a3d4c5e6f7089a1b",
  url: "https://posthorn.example.workers.dev/inbox/ibx_5f2b8c1d9e0a47b6a3d4c5e6f7089a1b",
  status: 200,
  retryAfterSeconds: null,
  delayMs: 0,
  hangs: false,
  hasSecret: true,
  createdAt: "2026-11-25T14:57:07.123Z",
  expiresAt: "2026-11-26T14:57:07.123Z",
}

export const InboxOut = z
  .object({
    id: z.string(),
    url: z.url().openapi({ description: "Whoever knows it may send to it" }),
    status: z.number().int(),
    retryAfterSeconds: z.number().int().nullable(),
    delayMs: z.number().int(),
    hangs: z.boolean(),
    hasSecret: z.boolean().openapi({ description: "Whether it can verify what comes" }),
    createdAt: z.iso.datetime(),
    expiresAt: z.iso.datetime(),
  })
  .openapi("InboxOut", { example: INBOX })

export const InboxRequestOut = z
  .object({
    id: z.string(),
    method: z.string(),
    query: z.string(),
    headers: z
      .record(z.string(), z.string())
      .openapi({ description: "Of credentials no more than their scheme" }),
    body: z.string(),
    bodyEncoding: z.enum(["utf8", "base64"]),
    bodyTruncated: z
      .boolean()
      .openapi({ description: "Whether it was longer than the 64 KiB that are kept" }),
    answeredStatus: z
      .number()
      .int()
      .nullable()
      .openapi({ description: "What it was answered; null: nothing, for the inbox hangs" }),
    signature: z.object({
      verdict: z.enum(Object.keys(SIGNATURE_VERDICTS) as [keyof typeof SIGNATURE_VERDICTS]),
      detail: z.string(),
    }),
    receivedAt: z.iso.datetime(),
  })
  .openapi("InboxRequestOut", {
    example: {
      id: "ireq_019a8f0c5d1b7c3e9a4f2b6d8e0c1a3f",
      method: "POST",
      query: "",
      headers: { "content-type": "application/json", "webhook-id": "evt_019a8f0c5d1b7c3e9a4f2b6d8e0c1a3f" },
      body: '{"username":"ada"}',
      bodyEncoding: "utf8",
      bodyTruncated: false,
      answeredStatus: 200,
      signature: { verdict: "verified", detail: SIGNATURE_VERDICTS.verified },
      receivedAt: "2026-11-25T14:57:08.001Z",
    },
  })

export function toInbox(inbox: Inbox): z.infer<typeof InboxOut> {
  const { id, origin, status, retryAfterSeconds, delayMs, hangs, secret, createdAt, expiresAt } = inbox
  return {
    id,
    url: `${origin}/inbox/${id}`,
    status,
    retryAfterSeconds,
    delayMs,
    hangs,
    hasSecret: secret !== null,
    createdAt: toTime(createdAt),
    expiresAt: toTime(expiresAt),
  }
}

/** A request as it came, and what the secret of its inbox, as that is now, says of its signature. */
export async function toRequest(
  request: InboxRequest,
  secret: string | null,
): Promise<z.infer<typeof InboxRequestOut>> {
  const { id, method, query, headers, body, bodyEncoding, bodyTruncated, answered, receivedAt } = request
  const verdict = await verifySignature(request, secret)
  return {
    id,
    method,
    query,
    headers,
    body,
    bodyEncoding,
    bodyTruncated,
    answeredStatus: answered,
    signature: { verdict, detail: SIGNATURE_VERDICTS[verdict] },
    receivedAt: toTime(receivedAt),
  }
}
