/** Header names that plainly carry a credential. */
const SENSITIVE =
  /^proxy-|authorization|authenticate|cookie|token|secret|passw|credential|(?:api|access|auth|private)-?key/i

/** Whether a header's value is to be kept to its endpoint: set, sent, never shown. */
export function isSensitiveHeader(name: string): boolean {
  return SENSITIVE.test(name)
}
