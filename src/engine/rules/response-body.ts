/** A response body as it is kept. */
export interface EncodedBody {
  text: string
  encoding: "utf8" | "base64"
  truncated: boolean
}

/**
 * The first `limit` bytes of a body, as text if they are clean UTF-8 without NUL, else as base64. A character
 * that the limit cuts in half is dropped, so that cutting alone never makes a text unclean.
 */
export function encodeBody(bytes: Uint8Array, limit: number): EncodedBody {
  const truncated = bytes.length > limit
  const kept = bytes.subarray(0, limit)
  const text = decodeUtf8(kept, truncated)
  // SQLite takes a NUL as the end of a text in many of its functions.
  return text === null || text.includes("\0")
    ? { text: kept.toBase64(), encoding: "base64", truncated }
    : { text, encoding: "utf8", truncated }
}

/**
 * Null unless clean; with `openEnded` an unfinished last character is left out, as a streaming decoder does.
 */
function decodeUtf8(bytes: Uint8Array, openEnded: boolean): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes, { stream: openEnded })
  } catch {
    return null
  }
}
