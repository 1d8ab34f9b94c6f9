import { z } from "@hono/zod-openapi"
import { type Accept, parseAccept } from "hono/utils/accept"

import type { InputIssue } from "../problem.ts"
import type { Dialect } from "../router.ts"

/** Refusals as plain sentences. */
export const textDialect: Dialect = (c, problem) => {
  const { issues, headers = {} } = problem.extra
  for (const [name, value] of Object.entries(headers)) c.header(name, value)
  c.header("x-content-type-options", "nosniff")
  return c.text(issues ? issues.map(toSentence).join(" ") : problem.detail, problem.status)
}

const PART: Record<string, string> = { body: "field", header: "header" }

/** Names the place, and shows nothing of what was sent. */
function toSentence({ loc: [part, ...path], msg, type }: InputIssue): string {
  if (path.length === 0) return `${msg}.`
  const place = `The ${PART[String(part)] ?? "parameter"} "${path.join(".")}"`
  return type === "missing" ? `${place} is missing.` : `${place}: ${msg}.`
}

const SENTENCE = {
  "text/plain": {
    schema: z.string().openapi("Sentence", { example: 'The field "url" is missing.' }),
  },
} as const

interface Entry<Content extends object = object> {
  description: string
  content: Content
}
type Responses = Record<number, Entry>

/** What an entry's example says, as a sentence. */
function sentenceFor({ content }: Entry): typeof SENTENCE | { "text/plain": object } {
  const { "application/json": json } = content as { "application/json"?: { example?: { detail?: unknown } } }
  const detail = json?.example?.detail
  if (typeof detail !== "string") return SENTENCE
  return { "text/plain": { ...SENTENCE["text/plain"], example: detail } }
}

/** The same entries for `responses`, in plain sentences. */
export function inText<R extends Responses>(responses: R) {
  const entries = Object.entries(responses).map(([status, entry]) => [
    status,
    { description: entry.description, content: sentenceFor(entry) },
  ])
  return Object.fromEntries(entries) as {
    [S in keyof R]: { description: string; content: typeof SENTENCE }
  }
}

/** The same entries for `responses`, in plain sentences too, for who asks for text. */
export function orInText<R extends Responses>(responses: R) {
  const entries = Object.entries(responses).map(([status, entry]) => [
    status,
    { description: entry.description, content: { ...entry.content, ...sentenceFor(entry) } },
  ])
  return Object.fromEntries(entries) as {
    [S in keyof R]: {
      description: string
      content: R[S] extends Entry<infer C> ? C & typeof SENTENCE : never
    }
  }
}

/**
 * Whether the client would rather have `type` than `usual`; a client that takes both alike gets the usual.
 */
export function prefers(accept: string | undefined, type: string, usual: string): boolean {
  const accepted = parseAccept(accept ?? "*/*")
  return quality(accepted, type) > quality(accepted, usual)
}

/** How much a type is wanted, by the most specific range that holds it (RFC 9110, section 12.5.1). */
function quality(accepted: readonly Accept[], type: string): number {
  const ranges = [type, type.replace(/\/.*/, "/*"), "*/*"]
  for (const range of ranges) {
    const found = accepted.find((accept) => accept.type.toLowerCase() === range)
    if (found) return found.q
  }
  return 0
}
