import { z } from "@hono/zod-openapi"
import type { Context } from "hono"
import { routePath } from "hono/route"

import { idOf } from "../../engine/applications/application.ts"
import {
  findAnswer,
  forgetAnswer,
  isFree,
  isKeyUsed,
  type KeptAnswer,
  keepAnswer,
  type Once,
  type Remember,
  rememberAnswer,
  scopeIn,
} from "../../engine/kit/idempotency.ts"
import { principalKey } from "../principal.ts"
import { invalidInput } from "../problem.ts"
import type { AppEnv } from "../router.ts"

const HEADER = "idempotency-key"

/** For `request.headers` of a route whose handler is `idempotent`. */
export const IdempotencyKey = z.object({
  [HEADER]: z
    .string()
    .regex(/^[\x20-\x7e]{1,256}$/, "must have 1 to 256 printable characters")
    .optional()
    .openapi({ description: "Repeating the request with the same key gives the same answer, for a day" }),
})

export interface Answer<Status extends number, Body> {
  status: Status
  body: Body
}

/** What a request is about: an application, and further things by the ids of their own. */
export interface Subject {
  applicationId: string
  /** Asked only where there is a key; what it throws is the answer. */
  ids?: () => Promise<readonly string[]>
}

/**
 * Does the work once for each Idempotency-Key, and answers what it answered the first time for a day. The
 * work hands `remember` on to its verb, which keeps the answer in the batch of the write itself; an answer
 * that belongs to no write is kept behind it. What throws is not kept, and what is not `current` any more is
 * done anew. Refuses another request under the same key with 422. Where `work` does not name the type of
 * `remember`, `answerOf` names that of its result.
 */
export async function idempotent<Result, Status extends number, Body>(
  c: Context<AppEnv>,
  subject: Subject,
  work: (remember: Remember<Result> | undefined) => Promise<Result>,
  answerOf: (result: Result) => Answer<Status, Body>,
  isCurrent: (body: Body) => Promise<boolean> = async () => true,
): Promise<Answer<Status, Body>> {
  const key = c.req.header(HEADER)
  if (key === undefined) return answerOf(await work(undefined))

  const { deps } = c.var
  const { applicationId } = subject
  const slotNow = async () => ({ scope: await scopeOf(c, subject), key })
  const slot = await slotNow()
  const requestHash = await hashOf(c)
  const find = async () => {
    const kept = await findAnswer(deps, applicationId, slot)
    if (kept === null) return null
    const answer = readKept(kept, requestHash) as Answer<Status, Body>
    if (await isCurrent(answer.body)) return answer
    await forgetAnswer(deps, applicationId, slot)
    return null
  }
  const before = await find()
  if (before) return before

  const toKept = (result: Result) => keptFor(requestHash, answerOf(result))
  let remembered: KeptAnswer | null = null
  try {
    const result = await work((result, onlyIf) => {
      remembered = toKept(result)
      return keepAnswer(deps, slot, remembered, onlyIf)
    })
    const answer = toKept(result)
    // The work may have made what the request is about.
    if (!isSame(remembered, answer)) await rememberAnswer(deps, applicationId, await slotNow(), answer)
    return answerOf(result)
  } catch (error) {
    // The second request with a key fails: on the key itself, or on what the first one has written.
    const first = await find()
    if (first) return first
    throw isKeyUsed(error) ? new Error("an answer was kept, but cannot be found", { cause: error }) : error
  }
}

/**
 * For work that is tried before anybody has looked: what its batch takes along to be done only if the key is
 * free, and to keep its answer; undefined without a key. The application is named by id or uid. Work that
 * finds the key used is left to `idempotent`.
 */
export async function onceFor<Result, Status extends number, Body>(
  c: Context<AppEnv>,
  application: string,
  answerOf: (result: Result) => Answer<Status, Body>,
): Promise<Once<Result> | undefined> {
  const key = c.req.header(HEADER)
  if (key === undefined) return undefined
  const slot = { scope: scopeIn(callerOf(c), idOf(application)), key }
  const requestHash = await hashOf(c)
  return {
    isFree: isFree(slot),
    remember: (result, onlyIf) =>
      keepAnswer(c.var.deps, slot, keptFor(requestHash, answerOf(result)), onlyIf),
  }
}

/**
 * Whose key it is, and for what: the route and the ids, never the path, since what is removed
 * leaves its uid to others.
 */
async function scopeOf(c: Context<AppEnv>, { applicationId, ids }: Subject): Promise<string> {
  return [callerOf(c), applicationId, ...((await ids?.()) ?? [])].join(" ")
}

function callerOf(c: Context<AppEnv>): string {
  return [principalKey(c.var.principal), c.req.method, routePath(c)].join(" ")
}

function keptFor(requestHash: string, { status, body }: Answer<number, unknown>): KeptAnswer {
  return { requestHash, status, body: JSON.stringify(body) }
}

/** A verb that finds its work done already answers something else than it would have remembered. */
function isSame(remembered: KeptAnswer | null, answer: KeptAnswer): boolean {
  return remembered !== null && remembered.status === answer.status && remembered.body === answer.body
}

function readKept(kept: KeptAnswer, requestHash: string): Answer<number, unknown> {
  if (kept.requestHash !== requestHash) {
    const msg = "was used for another request: take a new key"
    throw invalidInput([{ loc: ["header", HEADER], msg, type: "idempotency_key_reused" }])
  }
  return { status: kept.status, body: JSON.parse(kept.body) }
}

async function hashOf(c: Context<AppEnv>): Promise<string> {
  const request = `${new URL(c.req.url).search}\n${await c.req.text()}`
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(request))
  return new Uint8Array(digest).toHex()
}
