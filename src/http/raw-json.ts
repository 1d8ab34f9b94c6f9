import type { Context, TypedResponse } from "hono"
import type { ContentfulStatusCode } from "hono/utils/http-status"
import type { JSONParsed } from "hono/utils/types"

/** One member of a JSON object: its name, and both of its parts as they stand in the text. */
interface RawMember {
  name: string
  key: string
  value: string
}

/**
 * The members of a JSON object, each exactly as it stands in the text: numbers, escapes, order of keys and
 * white space are the sender's. The text must be a valid JSON object.
 */
export function* rawMembers(text: string): Generator<RawMember> {
  let at = skipSpace(text, text.indexOf("{") + 1)
  while (text[at] === '"') {
    const keyEnd = endOfString(text, at)
    const key = text.slice(at, keyEnd)
    // Behind the key stand a colon, the value, and a comma or the end.
    const start = skipSpace(text, skipSpace(text, keyEnd) + 1)
    const end = endOfValue(text, start)
    yield { name: JSON.parse(key), key, value: text.slice(start, end) }
    at = skipSpace(text, skipSpace(text, end) + 1)
  }
}

/** The text of one member's value; as for JSON.parse the last of that name counts. Null if there is none. */
export function rawMember(text: string, name: string): string | null {
  let found: string | null = null
  for (const member of rawMembers(text)) if (member.name === name) found = member.value
  return found
}

/** A JSON value that an answer shows as it was written, not as a JavaScript value could hold it. */
class Verbatim {
  [field: string]: unknown
  readonly #text: string
  constructor(text: string) {
    this.#text = text
  }
  static textOf(value: Verbatim): string {
    return value.#text
  }
}

/** Stands for the value of this JSON text in what `writeJson` is given. */
export function verbatim(text: string): Record<string, unknown> {
  return new Verbatim(text)
}

/** The value as JSON, with what is `verbatim` in it exactly as its text stands. */
export function writeJson(value: unknown): string {
  const place = crypto.randomUUID()
  const texts: string[] = []
  const json = JSON.stringify(value, (_, part: unknown) => {
    if (!(part instanceof Verbatim)) return part
    texts.push(Verbatim.textOf(part))
    return place
  })
  const [start = "", ...rest] = json.split(`"${place}"`)
  return start + rest.map((piece, n) => texts[n] + piece).join("")
}

/** As `c.json`, for an answer in which something may be `verbatim`. */
export function jsonAnswer<Body, Status extends ContentfulStatusCode>(
  c: Context,
  body: Body,
  status: Status,
): Response & TypedResponse<JSONParsed<Body>, Status, "json"> {
  const response = c.body(writeJson(body), status, { "content-type": "application/json" })
  return response as unknown as Response & TypedResponse<JSONParsed<Body>, Status, "json">
}

/**
 * How many objects and lists stand within each other in a text. It takes any text, valid JSON or not, and
 * does not recurse, so that it can come before what does.
 */
export function depthOf(text: string): number {
  let open = 0
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    const character = text[at]
    if (character === "{" || character === "[") depth = Math.max(depth, ++open)
    else if (character === "}" || character === "]") open--
    else if (character === '"') at = endOfString(text, at) - 1
  }
  return depth
}

/**
 * Whether a key or string of this valid JSON, whose text itself is well-formed, escapes
 * half a surrogate pair.
 */
export function hasUnpairedSurrogate(text: string): boolean {
  if (!/\\ud[89a-f]/i.test(text)) return false
  for (let at = text.indexOf('"'); at !== -1; ) {
    const end = endOfString(text, at)
    const string: string = JSON.parse(text.slice(at, end))
    if (!string.isWellFormed()) return true
    at = text.indexOf('"', end)
  }
  return false
}

function skipSpace(text: string, at: number): number {
  let next = at
  while (text[next] === " " || text[next] === "\n" || text[next] === "\r" || text[next] === "\t") next++
  return next
}

function endOfString(text: string, start: number): number {
  let at = start + 1
  while (at < text.length && text[at] !== '"') at += text[at] === "\\" ? 2 : 1
  return at + 1
}

function endOfValue(text: string, start: number): number {
  let depth = 0
  for (let at = start; at < text.length; ) {
    const character = text[at]
    if (character === '"') {
      at = endOfString(text, at)
      if (depth === 0) return at
      continue
    }
    if (depth === 0 && (character === "," || character === "}" || character === "]"))
      return trimmed(text, start, at)
    if (character === "{" || character === "[") depth++
    if (character === "}" || character === "]") depth--
    at++
    if (depth === 0 && (character === "}" || character === "]")) return at
  }
  return text.length
}

/** Where a number or a word ends that reaches to `end` with white space behind it. */
function trimmed(text: string, start: number, end: number): number {
  return start + text.slice(start, end).trimEnd().length
}
