/** A refusal as it is said of a status, for the document. */
export interface Example {
  /** Undefined where a contract documents the answer without one. */
  code?: string
  detail: string
}

/** What the doors in front of every route say, and what most families say alike. */
export const EXAMPLES = {
  401: { code: "unauthorized", detail: "Send `Authorization: Bearer <API_TOKEN>`" },
  403: { code: "authorization", detail: "The token of an application reaches that application alone" },
  409: { code: "conflict", detail: "Another one has this uid already" },
  413: { code: "payload_too_large", detail: "The body has at most 262144 bytes" },
  415: {
    code: "unsupported_encoding",
    detail: "Send the body as it is, without Content-Encoding: compressed bodies are not read here",
  },
  421: { code: "misdirected", detail: "Open mode answers at the address that `npm start` shows, no other" },
  429: { code: "too_many_requests", detail: "Too many requests at once: try again later" },
  500: {
    code: "internal",
    detail: "Something went wrong here. Request 019a8f0c-5d1b-7c3e-9a4f-2b6d8e0c1a3f",
  },
  503: {
    code: "not_configured",
    detail:
      "No API token is set yet: run `npx wrangler secret put API_TOKEN`, or `npm run deploy`, which makes one",
  },
  507: {
    code: "storage_full",
    detail: "The database is full: shorten RETENTION_DAYS or wait until events expire",
  },
  508: {
    code: "loop_detected",
    detail: "This is a delivery of Posthorn itself: an endpoint must not point back here",
  },
} as const satisfies Record<number, Example>

interface Entry {
  description: string
  content: { "application/json": { schema: unknown; example: object } }
}

/** The same entries for `responses`, with what this route says of some of the statuses. */
export function telling<R extends Partial<Record<number, Entry>>>(
  responses: R,
  told: { [S in keyof R]?: Example },
): R {
  const entries = Object.entries(responses).map(([status, entry]) => {
    const example = told[Number(status) as keyof R]
    if (!entry || !example) return [status, entry]
    const json = { ...entry.content["application/json"], example }
    return [status, { ...entry, content: { ...entry.content, "application/json": json } }]
  })
  return Object.fromEntries(entries)
}
