const MAX_HEADERS = 64
const MAX_NAME_CHARS = 128
const MAX_VALUE_CHARS = 4_096
const MAX_TOTAL_BYTES = 16 * 1_024

/** A token (RFC 9110 §5.6.2). */
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/i
const VALUE = /^[\t\x20-\x7e]*$/

/**
 * Headers an endpoint may not set, because the runtime drops them silently (host … transfer-encoding),
 * because they break the request (expect, upgrade) or say something else of the body than is true, or
 * because they speak for somebody else: a proxy, a cloud's front end, a browser, or us. The loop check
 * relies on our own user-agent.
 */
const RESERVED_NAMES = new Set([
  "host",
  "content-length",
  "connection",
  "keep-alive",
  "te",
  "transfer-encoding",
  "trailer",
  "trailers",
  "expect",
  "upgrade",
  "content-encoding",
  "content-language",
  "content-location",
  "age",
  "cache-control",
  "clear-site-data",
  "expires",
  "pragma",
  "warning",
  "cdn-loop",
  "client-ip",
  "fastly-client-ip",
  "forwarded",
  "true-client-ip",
  "via",
  "x-client-ip",
  "x-cluster-client-ip",
  "x-real-ip",
  "user-agent",
])
const RESERVED_PREFIXES = [
  "proxy-",
  "cf-",
  "x-forwarded-",
  "x-original-",
  "x-amz-",
  "x-amzn-",
  "x-azure-",
  "x-fd-",
  "x-gfe",
  "x-goog-",
  "x-google",
  "x-svix-",
  "sec-",
  "webhook-",
  "svix-",
]

/** The type of a message's body is the message's own; C alone documents it as an endpoint's header. */
const CONTENT_TYPE = "content-type"
const MAX_CONTENT_TYPE_CHARS = 256
/** `type/subtype`, and parameters as far as a header's value may hold them (RFC 9110 §8.3.1). */
const MEDIA_TYPE = /^[!#$%&'*+\-.^_`|~0-9a-z]+\/[!#$%&'*+\-.^_`|~0-9a-z]+[\t ]*(;[\t\x20-\x7e]*)?$/i

/**
 * Checks an endpoint's own headers: at most 64, 16 KiB in all, each name a token that is not reserved, each
 * value printable ASCII, spaces and tabs; a content type, which is a media type, with `ownContentType` alone.
 * The first offence is reported by header name; the message never shows a value, which may be a credential.
 */
export function checkCustomHeaders(
  headers: Readonly<Record<string, string>>,
  { ownContentType = false }: { ownContentType?: boolean } = {},
): { ok: true } | { ok: false; header: string; message: string } {
  const seen = new Set<string>()
  let totalBytes = 0
  for (const [header, value] of Object.entries(headers)) {
    const name = header.toLowerCase()
    totalBytes += header.length + value.length
    const reserved = isReserved(name) || (name === CONTENT_TYPE && !ownContentType)
    const message = offenceOf(header, value, reserved) ?? offenceOfAll(name, seen, totalBytes)
    if (message) return { ok: false, header, message }
    seen.add(name)
  }
  return { ok: true }
}

/**
 * Whether a text is a header's name at all, as it was typed: lower case makes an ASCII k of a Kelvin sign.
 */
export function isHeaderName(header: string): boolean {
  return NAME.test(header)
}

/** Whether a text can be the content type of a delivery. */
export function isContentType(value: string): boolean {
  return value.length <= MAX_CONTENT_TYPE_CHARS && MEDIA_TYPE.test(value)
}

function offenceOf(header: string, value: string, reserved: boolean): string | null {
  if (!isHeaderName(header)) return "A header name is made of letters, digits and !#$%&'*+-.^_`|~ only."
  if (header.length > MAX_NAME_CHARS) return `A header name has at most ${MAX_NAME_CHARS} characters.`
  if (reserved) return "This header is set by the sender or the network and cannot be chosen."
  if (value.length > MAX_VALUE_CHARS) return `A header value has at most ${MAX_VALUE_CHARS} characters.`
  if (!VALUE.test(value)) return "A header value is made of printable ASCII characters, spaces and tabs only."
  if (header.toLowerCase() === CONTENT_TYPE && !isContentType(value))
    return "A content type is a media type, such as application/json; charset=utf-8."
  return null
}

function offenceOfAll(name: string, seen: ReadonlySet<string>, totalBytes: number): string | null {
  if (seen.has(name)) return "This header is given twice; upper and lower case make no difference."
  if (seen.size >= MAX_HEADERS) return `An endpoint has at most ${MAX_HEADERS} headers.`
  if (totalBytes > MAX_TOTAL_BYTES) return `All headers together have at most ${MAX_TOTAL_BYTES} bytes.`
  return null
}

function isReserved(name: string): boolean {
  return RESERVED_NAMES.has(name) || RESERVED_PREFIXES.some((prefix) => name.startsWith(prefix))
}
