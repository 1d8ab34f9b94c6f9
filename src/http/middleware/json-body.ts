import { createMiddleware } from "hono/factory"

import { invalidInput, Problem } from "../problem.ts"
import { depthOf, hasUnpairedSurrogate } from "../raw-json.ts"
import type { AppEnv } from "../router.ts"

const MAX_BODY_BYTES = 256 * 1024
/** How many objects and lists may stand within each other. */
export const MAX_JSON_DEPTH = 500
/** The type of the issue with JSON that is nested more deeply. */
export const TOO_DEEP = "json_too_deep"
const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json$/i

/**
 * Reads the body as JSON before the route's schema sees it: bounded, not compressed, clean UTF-8, nested at most
 * MAX_JSON_DEPTH deep, without unpaired surrogates, no content type needed. With `emptyIs` an empty body, of any
 * content type, stands for that JSON text. A body has at most `maxBytes`.
 */
export function jsonBody(options: { emptyIs?: string; maxBytes?: number } = {}) {
  return createMiddleware<AppEnv>(async (c, next) => {
    refuseEncoded(c.req.header("content-encoding"))
    const bytes = await readBounded(c.req.raw, options.maxBytes ?? MAX_BODY_BYTES)
    const text = bytes.byteLength === 0 ? options.emptyIs : decode(bytes)
    if (text === undefined) {
      throw invalidInput([{ loc: ["body"], msg: "Field required: send a JSON body", type: "missing" }])
    }
    if (bytes.byteLength > 0) checkContentType(c.req.header("content-type"))
    checkJson(text)
    // The schema's validator takes the body from the request again, and only if it is called JSON.
    const headers = new Headers(c.req.raw.headers)
    headers.set("content-type", "application/json")
    headers.delete("content-length")
    c.req.raw = new Request(c.req.raw.url, { method: c.req.method, headers, body: text })
    await next()
  })
}

/** Refuses a body that is compressed, or encoded in another way (RFC 9110, section 8.4): nothing here decodes it. */
export function refuseEncoded(contentEncoding: string | undefined): void {
  if (/^\s*(identity\s*)?$/i.test(contentEncoding ?? "")) return
  const detail = "Send the body as it is, without Content-Encoding: compressed bodies are not read here"
  throw new Problem(415, "unsupported_encoding", detail, { headers: { "accept-encoding": "identity" } })
}

async function readBounded(request: Request, maxBytes: number): Promise<Uint8Array> {
  const tooLarge = new Problem(413, "payload_too_large", `The body has at most ${maxBytes} bytes`)
  if (Number(request.headers.get("content-length") ?? 0) > maxBytes) throw tooLarge
  if (!request.body) return new Uint8Array()
  const reader: ReadableStreamDefaultReader<Uint8Array> = request.body.getReader()
  const chunks: Uint8Array[] = []
  let length = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    length += value.byteLength
    if (length > maxBytes) {
      reader.releaseLock()
      throw tooLarge
    }
    chunks.push(value)
  }
  const bytes = new Uint8Array(length)
  let offset = 0
  for (const chunk of chunks) {
    bytes.set(chunk, offset)
    offset += chunk.byteLength
  }
  return bytes
}

function checkContentType(header: string | undefined): void {
  const type = header?.split(";")[0]?.trim() ?? ""
  if (type === "" || JSON_TYPE.test(type)) return
  throw invalidInput([
    {
      loc: ["header", "content-type"],
      msg: "Send the body as JSON, with `Content-Type: application/json`",
      type: "content_type",
    },
  ])
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes)
  } catch {
    throw invalidInput([{ loc: ["body"], msg: "The body is not UTF-8", type: "json_invalid" }])
  }
}

/**
 * Refuses malformed JSON, JSON that is nested too deeply to be read safely, and strings with half of a surrogate
 * pair: no receiver could read them back.
 */
function checkJson(text: string): void {
  if (depthOf(text) > MAX_JSON_DEPTH) {
    const msg = `The body is nested too deeply: at most ${MAX_JSON_DEPTH} objects and lists within each other`
    throw invalidInput([{ loc: ["body"], msg, type: TOO_DEEP }])
  }
  try {
    JSON.parse(text)
  } catch {
    throw invalidInput([{ loc: ["body"], msg: "The body is not valid JSON", type: "json_invalid" }])
  }
  if (hasUnpairedSurrogate(text)) {
    throw invalidInput([
      { loc: ["body"], msg: "A string has an unpaired surrogate (\\ud800–\\udfff)", type: "string_unicode" },
    ])
  }
}
