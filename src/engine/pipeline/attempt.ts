import { newId } from "../../db/ids.ts"
import type { Deps } from "../../platform/deps.ts"
import type { AttemptObserved } from "../../platform/observations.ts"
import { USER_AGENT } from "../../platform/version.ts"
import { unseal } from "../kit/encryption.ts"
import { type DeliveryControl, parseDeliveryControl } from "../rules/delivery-control.ts"
import { type KeptHeaders, keepHeaders } from "../rules/kept-headers.ts"
import {
  classifyFetchError,
  type ErrorClass,
  type Farewell,
  farewellOf,
  judge,
  type Outcome,
} from "../rules/outcome.ts"
import { buildRequest } from "../rules/request.ts"
import { encodeBody } from "../rules/response-body.ts"
import { parseRetryAfter } from "../rules/retry-schedule.ts"
import { checkTargetUrl, targetKey } from "../rules/target-url.ts"

export type Trigger = "scheduled" | "manual" | "ping"

const SUCCESS_BODY_BYTES = 1024
const FAILURE_BODY_BYTES = 16 * 1024
const PING_BODY_BYTES = 16 * 1024
const SUCCESS_HEADERS_BYTES = 1024
const FAILURE_HEADERS_BYTES = 4 * 1024
const STATUS_TEXT_CHARS = 128

/** What an attempt needs to know of its event. */
export interface AttemptedEvent {
  id: string
  applicationId: string
  /** Null once expunged: then there is nothing to send. */
  payload: string | null
  /** What the payload is; null: JSON. */
  contentType?: string | null
}

/** What an attempt needs to know of its endpoint; headers and secrets are sealed, newest secret first. */
export interface AttemptedEndpoint {
  id: string
  url: string
  headers: string | null
  secrets: readonly string[]
}

export interface Attempt {
  id: string
  eventId: string
  endpointId: string
  applicationId: string
  trigger: Trigger
  url: string
  statusCode: number | null
  /** The receiver's own reason phrase, null if it sent none. */
  statusText: string | null
  error: ErrorClass | null
  outcome: Outcome
  /** Whether the receiver wants no more deliveries at all, and how it said so. */
  farewell: Farewell | null
  durationMs: number
  /** When it started, epoch ms. */
  at: number
  retryAfterMs: number | null
  body: { text: string; encoding: "utf8" | "base64"; truncated: boolean }
  /** Null: no request was made. */
  headers: KeptHeaders | null
}

/**
 * When an attempt was over, epoch ms: what follows from it counts from here, whoever it shared a batch with.
 */
export function endOf({ at, durationMs }: { at: number; durationMs: number }): number {
  return at + durationMs
}

/**
 * Makes one HTTP request for a delivery: checks the target again, signs the exact bytes, sends,
 * reads a bounded part of the answer. Never throws: whatever goes wrong is an attempt with an error
 * class. Records nothing.
 */
export async function attempt(
  deps: Deps,
  event: AttemptedEvent,
  endpoint: AttemptedEndpoint,
  trigger: Trigger,
  timeoutMs = deps.config.attemptTimeoutMs,
): Promise<Attempt> {
  const at = deps.clock.now()
  const { control, ...answer } = await send(deps, event, endpoint, trigger, at, timeoutMs)
  return {
    id: newId("attempt", at),
    eventId: event.id,
    endpointId: endpoint.id,
    applicationId: event.applicationId,
    trigger,
    url: endpoint.url,
    ...answer,
    outcome: judge({ ...answer, control }),
    farewell: farewellOf({ ...answer, control }),
    durationMs: deps.clock.now() - at,
    at,
  }
}

/** What may be told of attempts: not where they went, nor what was answered. */
export function observed(attempts: Iterable<Attempt>): AttemptObserved[] {
  return Array.from(attempts, (made) => ({
    attemptId: made.id,
    eventId: made.eventId,
    endpointId: made.endpointId,
    applicationId: made.applicationId,
    status: made.statusCode,
    error: made.error,
    outcome: made.outcome,
    durationMs: made.durationMs,
  }))
}

type Answer = Pick<Attempt, "statusCode" | "statusText" | "error" | "retryAfterMs" | "body" | "headers"> & {
  control: DeliveryControl | null
}

const NO_BODY = { text: "", encoding: "utf8", truncated: false } as const

async function send(
  deps: Deps,
  event: AttemptedEvent,
  endpoint: AttemptedEndpoint,
  trigger: Trigger,
  at: number,
  timeoutMs: number,
): Promise<Answer> {
  const failed = (error: ErrorClass, headers: KeptHeaders | null = null): Answer => ({
    statusCode: null,
    statusText: null,
    error,
    retryAfterMs: null,
    body: NO_BODY,
    headers,
    control: null,
  })
  const target = checkTargetUrl(endpoint.url, {
    allowPrivate: deps.config.allowPrivateTargets,
    ownOrigins: deps.config.publicUrl === null ? [] : [deps.config.publicUrl],
  })
  if (!target.ok) return failed("refused-target")

  let request: Awaited<ReturnType<typeof buildRequest>>
  let own: Record<string, string> = {}
  try {
    if (event.payload === null) throw new Error("the payload is expunged")
    if (endpoint.secrets.length === 0) throw new Error("the endpoint has no secret")
    if (endpoint.headers !== null) own = parseHeaders(await unseal(deps.config, endpoint.headers))
    request = await buildRequest({
      id: event.id,
      timestampMs: at,
      body: event.payload,
      contentType: event.contentType ?? null,
      secrets: await Promise.all(endpoint.secrets.map((sealed) => unseal(deps.config, sealed))),
      headers: own,
      userAgent: USER_AGENT,
      olderHeaders: deps.config.olderHeaders,
    })
  } catch (error) {
    deps.observe({
      unit: "fault",
      during: "sign",
      eventId: event.id,
      endpointId: endpoint.id,
      error: String(error),
    })
    return failed("internal")
  }

  const timeout = new AbortController()
  const cancelTimer = deps.clock.after(timeoutMs, () =>
    timeout.abort(new DOMException("the receiver took too long", "TimeoutError")),
  )
  try {
    const response = await orAborted(
      timeout.signal,
      deps.fetch(targetKey(target.url), {
        method: "POST",
        redirect: "manual",
        ...request,
        signal: timeout.signal,
      }),
    )
    const received = response.headers
    const mostBytes = response.ok ? SUCCESS_HEADERS_BYTES : FAILURE_HEADERS_BYTES
    const limit = trigger === "ping" ? PING_BODY_BYTES : response.ok ? SUCCESS_BODY_BYTES : FAILURE_BODY_BYTES
    return {
      statusCode: response.status,
      statusText: response.statusText.slice(0, STATUS_TEXT_CHARS) || null,
      error: null,
      retryAfterMs:
        response.status === 429 || response.status === 503
          ? parseRetryAfter(received.get("retry-after"), deps.clock.now())
          : null,
      control: trigger === "ping" ? null : parseDeliveryControl(received.get("webhook-delivery")),
      headers: keepHeaders(request.headers, received, { own, mostBytes }),
      body: encodeBody(await readAtMost(response, limit, timeout.signal), limit),
    }
  } catch (error) {
    const headers = keepHeaders(request.headers, null, { own, mostBytes: 0 })
    return failed(classifyFetchError(error, target.url), headers)
  } finally {
    cancelTimer()
  }
}

/** A parser's own message would quote a header's value. */
function parseHeaders(text: string): Record<string, string> {
  try {
    return JSON.parse(text)
  } catch {
    throw new Error("the stored headers are not JSON")
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
