import { sign } from "../rules/signature.ts"
import type { InboxRequest } from "./requests.ts"

/**
 * How far the time of a delivery and of its receipt may lie apart, as the libraries of
 * Standard Webhooks have it.
 */
const TOLERANCE_MS = 5 * 60 * 1000

/** Whether the signature of a request verifies, or why not. */
export const SIGNATURE_VERDICTS = {
  verified: "The signature verifies.",
  "no-secret":
    "Nobody has told this inbox the endpoint's secret: set it, and the requests below are verified.",
  unsigned: "It has no webhook-id, webhook-timestamp or webhook-signature header: nobody has signed it.",
  "bad-timestamp": "Its webhook-timestamp is not a time in whole seconds.",
  "out-of-time":
    "Its webhook-timestamp and its receipt lie more than five minutes apart: it was sent again by somebody else, or a clock is wrong.",
  "too-long": "Its body is longer than what is kept of it, so that nothing can be verified here.",
  mismatch:
    "No signature is made with this secret: the endpoint has another one, or the body was changed on its way.",
} as const
export type SignatureVerdict = keyof typeof SIGNATURE_VERDICTS

type Signed = Pick<InboxRequest, "headers" | "receivedAt" | "bodyEncoding" | "bodyTruncated" | "body">

/** Judges a kept request by a secret, as a receiver's library would (https://www.standardwebhooks.com). */
export async function verifySignature(request: Signed, secret: string | null): Promise<SignatureVerdict> {
  const { headers, receivedAt, bodyEncoding, bodyTruncated, body } = request
  const [id, time, signatures] = ["id", "timestamp", "signature"].map(
    (name) => headers[`webhook-${name}`] ?? headers[`svix-${name}`],
  )
  if (id === undefined || time === undefined || signatures === undefined) return "unsigned"
  if (secret === null) return "no-secret"
  if (bodyTruncated) return "too-long"
  if (!/^\d{1,12}$/.test(time)) return "bad-timestamp"
  const timestamp = Number(time)
  const signature = await sign({
    id,
    timestamp,
    body: bodyEncoding === "base64" ? Uint8Array.fromBase64(body) : body,
    secret,
  })
  if (!signatures.split(" ").includes(signature)) return "mismatch"
  return Math.abs(receivedAt - timestamp * 1000) > TOLERANCE_MS ? "out-of-time" : "verified"
}
