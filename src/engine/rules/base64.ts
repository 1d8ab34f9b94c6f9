/**
 * The bytes of canonical base64 (RFC 4648 §4), or null. The parser alone would also take white space between
 * the characters, which receivers' libraries do not.
 */
export function decodeBase64(text: string): Uint8Array<ArrayBuffer> | null {
  try {
    const bytes = Uint8Array.fromBase64(text, { lastChunkHandling: "strict" })
    return bytes.toBase64() === text ? bytes : null
  } catch {
    return null
  }
}
