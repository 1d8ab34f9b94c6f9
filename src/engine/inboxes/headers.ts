import { isSensitiveHeader } from "../rules/sensitive-header.ts"

const MAX_HEADERS = 100
const MAX_HEADERS_BYTES = 16 * 1024
const MASK = "••••••"

/** Further names under which credentials come here: anybody may send anything. */
const ALSO_SENSITIVE = /auth|session/i

/** A request's headers as they are kept: bounded, in order, and of credentials no more than their scheme. */
export function keptHeaders(headers: Headers): Record<string, string> {
  const kept: [string, string][] = []
  let bytes = 0
  for (const [name, value] of headers) {
    const shown = isSensitiveHeader(name) || ALSO_SENSITIVE.test(name) ? masked(value) : value
    bytes += name.length + shown.length
    if (kept.length === MAX_HEADERS || bytes > MAX_HEADERS_BYTES) break
    kept.push([name, shown])
  }
  return Object.fromEntries(kept)
}

/** `Bearer ••••••`: the scheme is no secret, and tells most mistakes. */
function masked(value: string): string {
  const scheme = /^(Basic|Bearer|Digest) /i.exec(value)?.[0] ?? ""
  return scheme + MASK
}
