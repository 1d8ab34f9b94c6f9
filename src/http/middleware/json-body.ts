import { createMiddleware } from "hono/factory"
import { readFirst } from "../../engine/kit/read-first.ts"
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
 * Reads the body as JSON before the route's schema sees it: bounded, not compressed, clean UTF-8, nested at
 * most MAX_JSON_DEPTH deep, without unpaired surrogates, no content type needed. With `emptyIs` an empty
 * body, of any content type, stands for that JSON text. A body has at most `maxBytes`.
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
    const value = parseJson(text)
    // The schema's validator and the handlers take the body from the request again: it is
    // read and parsed once.
    c.req.text = async () => text
    c.req.json = async <T>() => value as T
    if (!JSON_TYPE.test(mediaTypeOf(c.req.header("content-type")))) c.req.raw = calledJson(c.req.raw)
    await next()
  })
}

/**
 * Refuses a body that is compressed, or encoded in another way (RFC 9110, section 8.4):
 * nothing here decodes it.
 */
export function refuseEncoded(contentEncoding: string | undefined): void {
  if (/^\s*(identity\s*)?$/i.test(contentEncoding ?? "")) return
  const detail = "Send the body as it is, without Content-Encoding: compressed bodies are not read here"
  throw new Problem(415, "unsupported_encoding", detail, { headers: { "accept-encoding": "identity" } })
}

async function readBounded(request: Request, maxBytes: number): Promise<Uint8Array> {
  const tooLarge = () => new Problem(413, "payload_too_large", `The body has at most ${maxBytes} bytes`)
  if (Number(request.headers.get("content-length") ?? 0) > maxBytes) throw tooLarge()
  const { bytes, whole } = await readFirst(request.body, maxBytes)
  if (!whole) throw tooLarge()
  return bytes
}

/** The validator looks at a body only if it is called JSON. */
function calledJson({ url, method, headers: given }: Request): Request {
  const headers = new Headers(given)
  headers.set("content-type", "application/json")
  return new Request(url, { method, headers })
}

function mediaTypeOf(contentType: string | undefined): string {
  return contentType?.split(";")[0]?.trim() ?? ""
}

function checkContentType(header: string | undefined): void {
  const type = mediaTypeOf(header)
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
 * The value; refuses malformed JSON, JSON that is nested too deeply to be read safely, and strings with half
 * of a surrogate pair: no receiver could read them back.
 */
function parseJson(text: string): unknown {
  if (depthOf(text) > MAX_JSON_DEPTH) {
    const msg = `The body is nested too deeply: at most ${MAX_JSON_DEPTH} objects and lists within each other`
    throw invalidInput([{ loc: ["body"], msg, type: TOO_DEEP }])
  }
  const value = parsed(text)
  if (hasUnpairedSurrogate(text)) {
    throw invalidInput([
      { loc: ["body"], msg: "A string has an unpaired surrogate (\\ud800–\\udfff)", type: "string_unicode" },
    ])
  }
  return value
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw invalidInput([{ loc: ["body"], msg: "The body is not valid JSON", type: "json_invalid" }])
  }
}
