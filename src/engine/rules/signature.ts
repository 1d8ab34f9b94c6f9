import { decodeSecret } from "./secret.ts"

/** What a signature covers; `timestamp` is in whole seconds. */
export interface SignedMessage {
  id: string
  timestamp: number
  body: string | Uint8Array
}

/**
 * PKCS #8 wrapping of a bare Ed25519 seed (RFC 8410 §7): the only private form WebCrypto imports without the
 * public key.
 */
const ED25519_PKCS8_HEADER = [
  0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
]

const encoder = new TextEncoder()

/**
 * Signs the bytes of `id.timestamp.body` as Standard Webhooks has it (https://www.standardwebhooks.com):
 * `v1,<base64>` with HMAC-SHA256, `v1a,<base64>` with Ed25519. TypeError for a malformed secret, which the
 * message never shows.
 */
export async function sign(input: SignedMessage & { secret: string }): Promise<string> {
  const key = decodeSecret(input.secret)
  if (!key) throw new TypeError("The signing secret is malformed")
  const content = signedContent(input)
  const signature = key.kind === "v1" ? await hmac(key.key, content) : await ed25519(key.seed, content)
  return `${key.kind},${new Uint8Array(signature).toBase64()}`
}

/**
 * The value of `webhook-signature`: one signature per secret, in the order given, so that a rotation can
 * overlap.
 */
export async function signatureHeader(secrets: readonly string[], message: SignedMessage): Promise<string> {
  const signatures = await Promise.all(secrets.map((secret) => sign({ ...message, secret })))
  return signatures.join(" ")
}

function signedContent({ id, timestamp, body }: SignedMessage): Uint8Array<ArrayBuffer> {
  const head = encoder.encode(`${id}.${timestamp}.`)
  const tail = typeof body === "string" ? encoder.encode(body) : body
  const content = new Uint8Array(head.length + tail.length)
  content.set(head)
  content.set(tail, head.length)
  return content
}

async function hmac(key: Uint8Array<ArrayBuffer>, content: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer> {
  const algorithm = { name: "HMAC", hash: "SHA-256" }
  const imported = await crypto.subtle.importKey("raw", key, algorithm, false, ["sign"])
  return crypto.subtle.sign(algorithm, imported, content)
}

async function ed25519(
  seed: Uint8Array<ArrayBuffer>,
  content: Uint8Array<ArrayBuffer>,
): Promise<ArrayBuffer> {
  return crypto.subtle.sign({ name: "Ed25519" }, await importEd25519(seed), content)
}

/** The private key that a seed stands for. */
export function importEd25519(seed: Uint8Array<ArrayBuffer>, extractable = false): Promise<CryptoKey> {
  const pkcs8 = Uint8Array.from([...ED25519_PKCS8_HEADER, ...seed])
  return crypto.subtle.importKey("pkcs8", pkcs8, { name: "Ed25519" }, extractable, ["sign"])
}
