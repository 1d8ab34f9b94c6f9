/** A refusal as it is said of a status, for the document. */
export interface Example {
  /** Undefined where a contract documents the answer without one. */
  code?: string
  detail: string
}

/** What a status means, and what is said with it, say. */
interface Meaning {
  description: string
  example: Example
}

/** Every status that a refusal can have; a dialect says of some that they mean something more fitting. */
const MEANINGS = {
  400: {
    description: "Refused as things stand",
    example: {
      code: "limit_reached",
      detail: "10 old secrets still sign: rotate again when one has expired",
    },
  },
  401: {
    description: "The token is missing or wrong",
    example: { code: "unauthorized", detail: "Send `Authorization: Bearer <API_TOKEN>`" },
  },
  403: {
    description:
      "The token is another application's, or open mode: the request comes from a page of another origin",
    example: { code: "authorization", detail: "The token of an application reaches that application alone" },
  },
  404: { description: "No such thing", example: { code: "not_found", detail: "Application not found" } },
  408: {
    description: "The upload took too long",
    example: { detail: "The upload took so long that it was given up; send the file again" },
  },
  409: {
    description: "In conflict with what there is",
    example: { code: "conflict", detail: "Another one has this uid already" },
  },
  413: {
    description: "The body is larger than 256 KiB",
    example: { code: "payload_too_large", detail: "The body has at most 262144 bytes" },
  },
  415: {
    description: "The body is compressed, or encoded in another way",
    example: {
      code: "unsupported_encoding",
      detail: "Send the body as it is, without Content-Encoding: compressed bodies are not read here",
    },
  },
  416: {
    description: "No byte of the file is in that range; `Content-Range` tells its size",
    example: { detail: "The file has 1024 bytes" },
  },
  421: {
    description: "Open mode: the Host is not loopback",
    example: {
      code: "misdirected",
      detail: "Open mode answers at the address that `npm start` shows, no other",
    },
  },
  429: {
    description: "Too many requests at once",
    example: { code: "too_many_requests", detail: "Too many requests at once: try again later" },
  },
  500: {
    description: "An unexpected fault; quote the request id",
    example: {
      code: "internal",
      detail: "Something went wrong here. Request 019a8f0c-5d1b-7c3e-9a4f-2b6d8e0c1a3f",
    },
  },
  503: {
    description:
      "Not set up yet: the detail names the command. Or the application is moving to another database: `Retry-After` says when to try again",
    example: {
      code: "not_configured",
      detail:
        "No API token is set yet: run `npx wrangler secret put API_TOKEN`, or `npm run deploy`, which makes one",
    },
  },
  507: {
    description: "The database is full",
    example: {
      code: "storage_full",
      detail: "The database is full: shorten RETENTION_DAYS or wait until events expire",
    },
  },
  508: {
    description: "One of our own deliveries came back to us",
    example: {
      code: "loop_detected",
      detail: "This is a delivery of Posthorn itself: an endpoint must not point back here",
    },
  },
} as const satisfies Record<number, Meaning>

type Status = keyof typeof MEANINGS

/** How the document shows refusals in one dialect. */
interface RefusalStyle<Schema, Body extends object, Always extends Status> {
  schema: Schema
  /** What every route can answer besides its own. */
  always: readonly Always[]
  /** What some statuses mean here. */
  meanings: Partial<Record<Status, Partial<Meaning>>>
  /** An example as it is said here. */
  say(example: Example): Body
}

/**
 * A function that makes entries for `responses`: the given statuses, those that every route can answer, and
 * 415 where a route reads a body, for what can be too large can be compressed too.
 */
export function refusalsIn<Schema, Body extends object, Always extends Status>(
  style: RefusalStyle<Schema, Body, Always>,
) {
  const entry = (status: Status) => {
    const { description, example } = { ...MEANINGS[status], ...style.meanings[status] }
    return {
      description,
      content: { "application/json": { schema: style.schema, example: style.say(example) } },
    }
  }
  return <S extends Status = never>(...statuses: S[]) => {
    const all = [...style.always, ...statuses, ...(statuses.some((status) => status === 413) ? [415] : [])]
    return Object.fromEntries(all.map((status) => [status, entry(status as Status)])) as {
      [status in S | Always]: ReturnType<typeof entry>
    }
  }
}

interface Entry {
  description: string
  content: { "application/json": { schema: unknown; example: object } }
}

/** The same entries for `responses`, with examples of what this route says with some of the statuses. */
export function withExamples<R extends Partial<Record<number, Entry>>>(
  responses: R,
  examples: { [S in keyof R]?: Example },
): R {
  const entries = Object.entries(responses).map(([status, entry]) => {
    const example = examples[Number(status) as keyof R]
    if (!entry || !example) return [status, entry]
    const json = { ...entry.content["application/json"], example }
    return [status, { ...entry, content: { ...entry.content, "application/json": json } }]
  })
  return Object.fromEntries(entries)
}
