import { checkCustomHeaders } from "./headers.ts"
import { signatureHeader } from "./signature.ts"

/**
 * The signed request of one attempt (Standard Webhooks): our headers, then the endpoint's own, which may
 * replace the content type. The bytes returned are exactly the bytes signed. TypeError if a secret is
 * malformed.
 */
export async function buildRequest(input: {
  id: string
  timestampMs: number
  body: string
  /** What the body is; null: JSON. */
  contentType?: string | null
  secrets: readonly string[]
  headers: Readonly<Record<string, string>>
  userAgent: string
  /**
   * Whether `svix-*` copies of the signed headers go along, for libraries that are older
   * than Standard Webhooks.
   */
  olderHeaders?: boolean
}): Promise<{ headers: Headers; body: Uint8Array<ArrayBuffer> }> {
  const body = new Uint8Array(new TextEncoder().encode(input.body))
  const timestamp = Math.floor(input.timestampMs / 1_000)
  const headers = new Headers({
    "webhook-id": input.id,
    "webhook-timestamp": String(timestamp),
    "webhook-signature": await signatureHeader(input.secrets, { id: input.id, timestamp, body }),
    "user-agent": input.userAgent,
    "content-type": input.contentType ?? "application/json",
  })
  if (input.olderHeaders) {
    for (const name of ["id", "timestamp", "signature"]) {
      headers.set(`svix-${name}`, headers.get(`webhook-${name}`) ?? "")
    }
  }
  for (const [name, value] of Object.entries(input.headers)) {
    // Checked when the endpoint was saved; a row from before a rule must neither forge a header nor stop the
    // delivery.
    if (checkCustomHeaders({ [name]: value }, { ownContentType: true }).ok) headers.set(name, value)
  }
  return { headers, body }
}
