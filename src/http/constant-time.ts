/**
 * Whether a secret is one of these. Compares digests, and all of them, so that the time taken tells nothing.
 */
export async function isAmong(given: string, tokens: readonly string[]): Promise<boolean> {
  const digest = await sha256(given)
  let found = false
  for (const token of tokens) {
    if (crypto.subtle.timingSafeEqual(digest, await sha256(token))) found = true
  }
  return found
}

function sha256(text: string): Promise<ArrayBuffer> {
  return crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))
}
