import type { Deps } from "../../platform/deps.ts"
import { readFirst } from "../kit/read-first.ts"
import { encodeBody } from "../rules/response-body.ts"
import { OWN_RECEIVER } from "../rules/target-url.ts"
import { keptHeaders } from "./headers.ts"
import { findInbox, type Inbox } from "./inbox.ts"
import { createLimit } from "./limit.ts"
import { keepRequest } from "./requests.ts"

const MAX_BODY_BYTES = 64 * 1024
/** When an inbox that hangs lets go: longer than anybody's attempt waits. */
const HANGS_MS = 60_000

const PLAIN = { "content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff" }

const isWithinLimit = createLimit()

/**
 * Takes what comes to an inbox, keeps it, and answers as the inbox was told to. Known ones are
 * looked up by their id.
 */
export async function receive(deps: Deps, id: string, request: Request): Promise<Response> {
  if (!isWithinLimit(id, deps.clock.now())) return busy()
  const inbox = await findInbox(deps, id)
  if (!inbox) return say(404, "There is no such inbox, or its day is over.")
  return answer(deps, inbox, request)
}

/**
 * The same for a delivery of our own, which goes by no network: a Worker cannot count on reaching itself.
 * Null for whatever is not for an inbox made here.
 */
export async function receiveHere(deps: Deps, url: string, request: () => Request): Promise<Response | null> {
  // Most deliveries go elsewhere, and a parser takes its time.
  const target = url.includes("/inbox/") ? URL.parse(url) : null
  const [, id] = OWN_RECEIVER.exec(target?.pathname ?? "") ?? []
  if (id === undefined) return null
  const inbox = await findInbox(deps, id)
  if (!inbox || inbox.origin !== target?.origin) return null
  if (!isWithinLimit(id, deps.clock.now())) return busy()
  return answer(deps, inbox, request())
}

async function answer(deps: Deps, inbox: Inbox, request: Request): Promise<Response> {
  const { bytes } = await readFirst(request.body, MAX_BODY_BYTES + 1)
  const { text, encoding, truncated } = encodeBody(bytes, MAX_BODY_BYTES)
  await keepRequest(deps, inbox, {
    method: request.method,
    query: new URL(request.url).search.slice(0, 2048),
    headers: keptHeaders(request.headers),
    answered: inbox.hangs ? null : inbox.status,
    bodyEncoding: encoding,
    bodyTruncated: truncated,
    body: text,
  })
  if (inbox.hangs) {
    await deps.clock.sleep(HANGS_MS)
    return say(504, "This inbox hangs, as it was told to.")
  }
  if (inbox.delayMs > 0) await deps.clock.sleep(inbox.delayMs)
  const retryAfter =
    inbox.retryAfterSeconds === null ? {} : { "retry-after": String(inbox.retryAfterSeconds) }
  return say(inbox.status, `The inbox answers ${inbox.status}.`, retryAfter)
}

function busy(): Response {
  return say(429, "This inbox takes no more requests in this second.", { "retry-after": "1" })
}

function say(status: number, sentence: string, headers: Record<string, string> = {}): Response {
  const body = status === 204 || status === 205 || status === 304 ? null : sentence
  return new Response(body, { status, headers: { ...PLAIN, ...headers } })
}
