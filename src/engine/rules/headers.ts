const MAX_HEADERS = 64
const MAX_NAME_CHARS = 128
const MAX_VALUE_CHARS = 4_096
const MAX_TOTAL_BYTES = 16 * 1_024

/** A token (RFC 9110 §5.6.2). */
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/i
const VALUE = /^[\t\x20-\x7e]*$/

/**
 * Headers an endpoint may not set, because the runtime drops them silently (host … transfer-encoding),
 * because they break the request (expect, upgrade), or because they speak for somebody else: a proxy,
 * Cloudflare, a browser, or us. The loop check relies on our own user-agent.
 */
const RESERVED_NAMES = new Set([
  "host",
  "content-length",
  "connection",
  "keep-alive",
  "te",
  "transfer-encoding",
  "trailer",
  "expect",
  "upgrade",
  "cdn-loop",
  "user-agent",
])
const RESERVED_PREFIXES = ["proxy-", "cf-", "x-forwarded-", "sec-", "webhook-", "svix-"]

/**
 * Checks an endpoint's own headers: at most 64, 16 KiB in all, each name a token that is not reserved, each
 * value printable ASCII, spaces and tabs. The first offence is reported by header name; the message never
 * shows a value, which may be a credential.
 */
export function checkCustomHeaders(
  headers: Readonly<Record<string, string>>,
): { ok: true } | { ok: false; header: string; message: string } {
  const seen = new Set<string>()
  let totalBytes = 0
  for (const [header, value] of Object.entries(headers)) {
    const name = header.toLowerCase()
    totalBytes += header.length + value.length
    const message = offenceOf(name, value) ?? offenceOfAll(name, seen, totalBytes)
    if (message) return { ok: false, header, message }
    seen.add(name)
  }
  return { ok: true }
}

function offenceOf(name: string, value: string): string | null {
  if (!NAME.test(name)) return "A header name is made of letters, digits and !#$%&'*+-.^_`|~ only."
  if (name.length > MAX_NAME_CHARS) return `A header name has at most ${MAX_NAME_CHARS} characters.`
  if (isReserved(name)) return "This header is set by the sender or the network and cannot be chosen."
  if (value.length > MAX_VALUE_CHARS) return `A header value has at most ${MAX_VALUE_CHARS} characters.`
  if (!VALUE.test(value)) return "A header value is made of printable ASCII characters, spaces and tabs only."
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
