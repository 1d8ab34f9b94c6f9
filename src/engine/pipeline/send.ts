import type { Deps } from "../../platform/deps.ts"
import { USER_AGENT } from "../../platform/version.ts"
import { unseal } from "../kit/encryption.ts"
import { type DeliveryControl, parseDeliveryControl } from "../rules/delivery-control.ts"
import { type KeptHeaders, keepHeaders } from "../rules/kept-headers.ts"
import { classifyFetchError, type ErrorClass } from "../rules/outcome.ts"
import { buildRequest } from "../rules/request.ts"
import { type EncodedBody, encodeBody } from "../rules/response-body.ts"
import { parseRetryAfter } from "../rules/retry-schedule.ts"
import { checkTargetUrl, targetKey } from "../rules/target-url.ts"

/** What is kept of an answer, in bytes: more of one that somebody has to look into. */
const KEPT_OF_SUCCESS = { body: 1024, headers: 1024 }
const KEPT_OF_FAILURE = { body: 16 * 1024, headers: 4 * 1024 }
const PING_BODY_BYTES = 16 * 1024
const STATUS_TEXT_CHARS = 128

/** A request to make; its headers and secrets are sealed, the newest secret first. */
export interface Outgoing {
  eventId: string
  endpointId: string
  url: string
  headers: string | null
  secrets: readonly string[]
  /** Null once expunged: then there is nothing to send. */
  payload: string | null
  /** What the payload is; null: JSON. */
  contentType?: string | null
  /** When the attempt started, epoch ms. */
  at: number
  timeoutMs: number
  /** Whether it is a ping's: then people read the answer, and it controls nothing. */
  isPing: boolean
}

/** What came back, or why nothing did. */
export interface Answer {
  statusCode: number | null
  /** The receiver's own reason phrase, null if it sent none. */
  statusText: string | null
  error: ErrorClass | null
  retryAfterMs: number | null
  body: EncodedBody
  /** Null: no request was made. */
  headers: KeptHeaders | null
  control: DeliveryControl | null
}

/**
 * Checks the target, signs the exact bytes, sends them, and reads a bounded part of the answer. Never throws:
 * whatever goes wrong is an answer with an error class.
 */
export async function send(deps: Deps, outgoing: Outgoing): Promise<Answer> {
  const target = checkTargetUrl(outgoing.url, {
    allowPrivate: deps.config.allowPrivateTargets,
    ownOrigins: deps.config.publicUrl === null ? [] : [deps.config.publicUrl],
  })
  if (!target.ok) return unanswered("refused-target")
  const signed = await sign(deps, outgoing).catch((error) => {
    const { eventId, endpointId } = outgoing
    deps.observe({ unit: "fault", during: "sign", eventId, endpointId, error: String(error) })
    return null
  })
  return signed === null ? unanswered("internal") : ask(deps, target.url, signed, outgoing)
}

function unanswered(error: ErrorClass, headers: KeptHeaders | null = null): Answer {
  const body = { text: "", encoding: "utf8", truncated: false } as const
  return { statusCode: null, statusText: null, error, retryAfterMs: null, body, headers, control: null }
}

interface Signed {
  request: Awaited<ReturnType<typeof buildRequest>>
  /** The endpoint's own headers. */
  own: Record<string, string>
}

async function sign(deps: Deps, outgoing: Outgoing): Promise<Signed> {
  const { payload, secrets, headers } = outgoing
  if (payload === null) throw new Error("the payload is expunged")
  if (secrets.length === 0) throw new Error("the endpoint has no secret")
  const own = headers === null ? {} : parseHeaders(await unseal(deps.config, headers))
  const request = await buildRequest({
    id: outgoing.eventId,
    timestampMs: outgoing.at,
    body: payload,
    contentType: outgoing.contentType ?? null,
    secrets: await Promise.all(secrets.map((sealed) => unseal(deps.config, sealed))),
    headers: own,
    userAgent: USER_AGENT,
    olderHeaders: deps.config.olderHeaders,
  })
  return { request, own }
}

/** A parser's own message would quote a header's value. */
function parseHeaders(text: string): Record<string, string> {
  try {
    return JSON.parse(text)
  } catch {
    throw new Error("the stored headers are not JSON")
  }
}

async function ask(deps: Deps, url: URL, signed: Signed, outgoing: Outgoing): Promise<Answer> {
  const timeout = new AbortController()
  const { signal } = timeout
  const cancelTimer = deps.clock.after(outgoing.timeoutMs, () =>
    timeout.abort(new DOMException("the receiver took too long", "TimeoutError")),
  )
  const { request, own } = signed
  try {
    const asked = deps.fetch(targetKey(url), { method: "POST", redirect: "manual", ...request, signal })
    return await read(deps, await orAborted(signal, asked), signed, outgoing, signal)
  } catch (error) {
    const headers = keepHeaders(request.headers, null, { own, mostBytes: 0 })
    return unanswered(classifyFetchError(error, url), headers)
  } finally {
    cancelTimer()
  }
}

async function read(
  deps: Deps,
  response: Response,
  { request, own }: Signed,
  { isPing }: Outgoing,
  signal: AbortSignal,
): Promise<Answer> {
  const { status, statusText, headers } = response
  const most = response.ok ? KEPT_OF_SUCCESS : KEPT_OF_FAILURE
  const mostOfBody = isPing ? PING_BODY_BYTES : most.body
  const mayAskToWait = status === 429 || status === 503
  return {
    statusCode: status,
    statusText: statusText.slice(0, STATUS_TEXT_CHARS) || null,
    error: null,
    retryAfterMs: mayAskToWait ? parseRetryAfter(headers.get("retry-after"), deps.clock.now()) : null,
    control: isPing ? null : parseDeliveryControl(headers.get("webhook-delivery")),
    headers: keepHeaders(request.headers, headers, { own, mostBytes: most.headers }),
    body: encodeBody(await readAtMost(response, mostOfBody, signal), mostOfBody),
  }
}

/**
 * The body's first bytes, one more than `limit` at most so that a cut shows. The status line has decided the
 * outcome by now, so a body that breaks off or hangs is just kept as far as it came.
 */
async function readAtMost(response: Response, limit: number, signal: AbortSignal): Promise<Uint8Array> {
  if (!response.body) return new Uint8Array()
  const reader: ReadableStreamDefaultReader<Uint8Array> = response.body.getReader()
  const chunks: Uint8Array[] = []
  let length = 0
  try {
    while (length <= limit) {
      const { done, value } = await orAborted(signal, reader.read())
      if (done) break
      chunks.push(value)
      length += value.byteLength
    }
  } catch {
    // Kept as far as it came.
  }
  if (length > limit || signal.aborted) reader.cancel().catch(() => {})
  const bytes = new Uint8Array(length)
  let offset = 0
  for (const chunk of chunks) {
    bytes.set(chunk, offset)
    offset += chunk.byteLength
  }
  return bytes.subarray(0, limit + 1)
}

/** The promise's value, or the signal's reason as soon as it aborts, whether or not the promise listens. */
function orAborted<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) reject(signal.reason)
    signal.addEventListener("abort", () => reject(signal.reason), { once: true })
    promise.then(resolve, reject)
  })
}
