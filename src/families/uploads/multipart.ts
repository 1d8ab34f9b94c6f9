// A streaming parser of multipart/form-data (RFC 7578, RFC 2046 §5.1), pure: bytes in, events out. Our
// own, because the kept ones either hold whole parts in memory or need Node's streams, and multipasta
// 0.2.8 refuses good bodies: a raw UTF-8 file name loses its part, a chunk that ends between the last
// two dashes is an error.

/** Longer than any boundary in use; RFC 2046 allows 70 characters. */
const MAX_BOUNDARY_CHARS = 200
const MAX_HEADER_BYTES = 16 * 1024
const MAX_PADDING_BYTES = 64
const CR = 13
const LF = 10
const DASH = 45
const SPACE = 32
const TAB = 9
const HEADER_END = new TextEncoder().encode("\r\n\r\n")
const NOTHING = new Uint8Array()

export type PartEvent =
  /** A part begins. Header names are lower-case; of a header given twice the first counts. */
  | { kind: "part"; headers: ReadonlyMap<string, string> }
  /** Some of the part's content, valid until the next event is asked for. */
  | { kind: "data"; bytes: Uint8Array }
  | { kind: "part-end" }

/** A body that is not multipart/form-data after all. */
export class MalformedMultipart extends Error {}

/** The boundary of a multipart/form-data content type; the last one where several are given, as curl does. */
export function boundaryOf(contentType: string | undefined): string | null {
  const [type = ""] = contentType?.split(";", 1) ?? []
  if (contentType === undefined || type.trim().toLowerCase() !== "multipart/form-data") return null
  const boundary = parameters(contentType).findLast(([name]) => name === "boundary")?.[1] ?? ""
  return boundary === "" || boundary.length > MAX_BOUNDARY_CHARS ? null : boundary
}

/** The parameters of a header such as `form-data; name="file"`, in order, names in lower case. */
export function parameters(header: string): [name: string, value: string][] {
  const found = header.matchAll(/;\s*([^\s=;"]+)\s*=\s*("(?:[^"\\]|\\.)*"(?=\s*(?:;|$))|[^;]*)/gs)
  return Array.from(found, ([, name = "", value = ""]) => [name.toLowerCase(), unquote(value.trim())])
}

/**
 * Quotes taken off. Only `\"` and `\\` are escapes: old browsers send `C:\dir\file` with single backslashes.
 */
function unquote(value: string): string {
  const inner = /^"(.*)"$/s.exec(value)?.[1]
  return inner === undefined ? value : inner.replaceAll(/\\(["\\])/g, "$1")
}

export class MultipartParser {
  readonly #delimiter: Uint8Array
  readonly #skip: Uint8Array
  #state: "preamble" | "headers" | "body" | "closed" = "preamble"
  // The first delimiter may stand at the very start, without the line break that belongs to it.
  #held: Uint8Array = new Uint8Array([CR, LF])

  constructor(boundary: string) {
    this.#delimiter = new TextEncoder().encode(`\r\n--${boundary}`)
    this.#skip = skipTable(this.#delimiter)
  }

  /** Bytes kept until more come: the start of a delimiter, or of a part's headers. */
  get heldBytes(): number {
    return this.#held.byteLength
  }

  /** Whether the closing delimiter has come; until then the body is not whole. */
  get closed(): boolean {
    return this.#state === "closed"
  }

  /** Takes the next bytes and yields what they hold. To be run to its end before the next call. */
  *push(chunk: Uint8Array): Generator<PartEvent> {
    let bytes = this.#held.byteLength === 0 ? chunk : concat(this.#held, chunk)
    this.#held = NOTHING
    while (this.#state !== "closed") {
      if (this.#state === "headers") {
        const end = indexOf(bytes, HEADER_END, HEADER_SKIP, 0)
        if ((end === -1 ? bytes.byteLength : end) > MAX_HEADER_BYTES) {
          throw new MalformedMultipart("the headers of a part are too long")
        }
        if (end === -1) return this.#hold(bytes)
        yield { kind: "part", headers: parseHeaders(bytes.subarray(0, end)) }
        bytes = bytes.subarray(end + HEADER_END.byteLength)
        this.#state = "body"
      }
      const found = this.#find(bytes)
      const isBody = this.#state === "body"
      if (isBody && found.at > 0) yield { kind: "data", bytes: bytes.subarray(0, found.at) }
      if (found.next === "more") return this.#hold(bytes.subarray(found.at))
      if (isBody) yield { kind: "part-end" }
      this.#state = found.next
      bytes = bytes.subarray(found.end)
    }
  }

  /** A copy, so that a small rest does not keep a large chunk in memory. */
  #hold(bytes: Uint8Array): void {
    this.#held = bytes.slice()
  }

  /** The next delimiter, or from where on there may be one; text that merely begins like one is content. */
  #find(bytes: Uint8Array): { at: number; end: number; next: "headers" | "closed" | "more" } {
    for (let from = 0; ; from++) {
      from = indexOf(bytes, this.#delimiter, this.#skip, from)
      if (from === -1) {
        const at = startOfDelimiter(bytes, this.#delimiter)
        return { at, end: at, next: "more" }
      }
      const end = from + this.#delimiter.byteLength
      const next = afterDelimiter(bytes, end)
      // Behind a closing delimiter nothing counts; before headers their own line break is left in place.
      if (next !== "content")
        return { at: from, end: next === "headers" ? bytes.indexOf(CR, end) : end, next }
    }
  }
}

const HEADER_SKIP = skipTable(HEADER_END)

/** What the bytes behind a boundary make of it: `--` closes, padding and a line break open a part. */
function afterDelimiter(bytes: Uint8Array, start: number): "headers" | "closed" | "more" | "content" {
  let at = start
  if (bytes[at] === DASH) {
    if (at + 1 === bytes.byteLength) return "more"
    return bytes[at + 1] === DASH ? "closed" : "content"
  }
  while (bytes[at] === SPACE || bytes[at] === TAB) at++
  if (at - start > MAX_PADDING_BYTES) return "content"
  if (at === bytes.byteLength || (bytes[at] === CR && at + 1 === bytes.byteLength)) return "more"
  return bytes[at] === CR && bytes[at + 1] === LF ? "headers" : "content"
}

/** Where the bytes end with the start of the delimiter, which has its only CR in front; else their length. */
function startOfDelimiter(bytes: Uint8Array, delimiter: Uint8Array): number {
  const at = bytes.lastIndexOf(CR)
  const length = bytes.byteLength - at
  const matches =
    at !== -1 && length < delimiter.byteLength && bytes.subarray(at).every((byte, n) => byte === delimiter[n])
  return matches ? at : bytes.byteLength
}

/** How far a search may move on when the window ends with each byte (Boyer–Moore–Horspool). */
function skipTable(needle: Uint8Array): Uint8Array {
  const skip = new Uint8Array(256).fill(needle.byteLength)
  needle.subarray(0, -1).forEach((byte, index) => {
    skip[byte] = needle.byteLength - 1 - index
  })
  return skip
}

function indexOf(bytes: Uint8Array, needle: Uint8Array, skip: Uint8Array, from: number): number {
  const last = needle.byteLength - 1
  for (let end = from + last; end < bytes.byteLength; end += skip[bytes[end] ?? 0] ?? 1) {
    let back = 0
    while (back <= last && bytes[end - back] === needle[last - back]) back++
    if (back > last) return end - last
  }
  return -1
}

function parseHeaders(block: Uint8Array): Map<string, string> {
  const headers = new Map<string, string>()
  const text = new TextDecoder().decode(block).replaceAll(/\r\n[ \t]+/g, " ")
  for (const line of text.split("\r\n")) {
    const colon = line.indexOf(":")
    const name = line.slice(0, Math.max(0, colon)).trim().toLowerCase()
    if (name !== "" && !headers.has(name)) headers.set(name, line.slice(colon + 1).trim())
  }
  return headers
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.byteLength + b.byteLength)
  both.set(a)
  both.set(b, a.byteLength)
  return both
}
