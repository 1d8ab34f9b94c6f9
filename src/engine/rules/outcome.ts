import statuses from "statuses"

import type { DeliveryControl } from "./delivery-control.ts"
import { needsName } from "./target-url.ts"

/** Why an attempt ended without a response. */
export type ErrorClass =
  | "connection"
  | "name-or-tls"
  | "malformed"
  | "timeout"
  | "refused-target"
  | "internal"

/** What an attempt means for its delivery. */
export type Outcome = "delivered" | "retry" | "gone" | "aborted" | "refused"

/** How a receiver wants no more deliveries at all: it answers 410, or asks for it in a header. */
export type Farewell = "gone" | "asked"

// The runtime has no error codes, only messages. They were seen in workerd; those of Cloudflare's network may
// differ.
const CONNECTION_LOST =
  /network connection lost|connection (was )?(refused|reset|closed)|econnrefused|econnreset/i
const MALFORMED = /content-length|invalid header|malformed|http (protocol|parse)/i
/**
 * Said of faults that the runtime does not tell apart: in resolving, in TLS, in reading the answer's head.
 */
const UNNAMED = /internal error/i
const NAME_OR_TLS = /\bdns\b|enotfound|resolve|name not known|\btls\b|\bssl\b|certificate|handshake/i
const TIMED_OUT = /timed out|etimedout/i

const ERROR_PHRASES = {
  connection: "Connection refused",
  "name-or-tls": "Name or TLS error",
  malformed: "Malformed answer",
  timeout: "Timed out",
  "refused-target": "Target refused",
  internal: "Internal error",
} satisfies Record<ErrorClass, string>

/** Cloudflare's own codes, which it answers in place of a receiver it could not talk to. */
const CLOUDFLARE_EXPLANATIONS: Readonly<Record<number, string>> = {
  520: "The receiver's server gave Cloudflare an empty or malformed response; its error log should say why.",
  521: "The receiver's server refused Cloudflare's connection: it is down, or a firewall blocks it.",
  522: "The receiver's server did not accept Cloudflare's connection in time: it is overloaded or filtered.",
  523: "Cloudflare found no route to the receiver's server: its DNS record probably holds a wrong address.",
  524: "The receiver's server accepted the request but did not answer Cloudflare in time.",
  525: "The TLS handshake between Cloudflare and the receiver's server failed: check its TLS set-up.",
  526: "The TLS certificate of the receiver's server is expired, self-signed or issued for another name.",
  527: "Cloudflare's connection to the receiver's Railgun listener failed; Railgun has been retired.",
  530: "Cloudflare could not look up the receiver's host: check that its name exists and its zone is active.",
}

const INTERIM =
  "The receiver answered with an interim status, which says nothing of the delivery: it must send a final one."

/**
 * Decides what an attempt means: 2xx delivers, 410 is a farewell, a refused target was never asked, all else
 * is tried again, unless the receiver wants no more of this delivery. A status that came counts even if
 * reading the body failed after it: the receiver has made up its mind.
 */
export function judge(result: {
  statusCode: number | null
  error: ErrorClass | null
  control?: DeliveryControl | null
}): Outcome {
  if (result.error === "refused-target") return "refused"
  if (result.statusCode === null) return "retry"
  if (result.statusCode >= 200 && result.statusCode <= 299) return "delivered"
  if (result.control === "abort-message") return "aborted"
  return result.statusCode === 410 ? "gone" : "retry"
}

/** Whether an answer, be it a success, is a farewell, and which; null: it is none. */
export function farewellOf(answer: {
  statusCode: number | null
  control: DeliveryControl | null
}): Farewell | null {
  if (answer.control === "disable") return "asked"
  return answer.statusCode === 410 ? "gone" : null
}

/**
 * Sorts what `fetch` threw for this URL. A refused and a reset connection cannot be told apart; the unknown
 * counts as a connection fault. Where there is neither a name to resolve nor TLS, neither can have failed.
 */
export function classifyFetchError(error: unknown, url: URL): ErrorClass {
  const { name, message } = error instanceof Error ? error : { name: "", message: String(error) }
  if (name === "AbortError" || name === "TimeoutError") return "timeout"
  if (CONNECTION_LOST.test(message)) return "connection"
  if (MALFORMED.test(message)) return "malformed"
  if (UNNAMED.test(message)) return url.protocol === "https:" || needsName(url) ? "name-or-tls" : "malformed"
  if (NAME_OR_TLS.test(message)) return "name-or-tls"
  return TIMED_OUT.test(message) ? "timeout" : "connection"
}

/** The registered reason phrase of a status code; what `explainStatus` says of one; else "Unknown status". */
export function describeStatus(statusCode: number): string {
  return statuses.message[statusCode] ?? explainStatus(statusCode) ?? "Unknown status"
}

/**
 * One sentence for the receiver's owner about a status that Cloudflare made (520–527, 530), or that is no
 * answer yet; null for any other.
 */
export function explainStatus(statusCode: number): string | null {
  if (statusCode >= 100 && statusCode <= 199) return INTERIM
  return CLOUDFLARE_EXPLANATIONS[statusCode] ?? null
}

/** An error class in the words shown to people. */
export function describeError(error: ErrorClass): string {
  return ERROR_PHRASES[error]
}
