import { isSensitiveHeader } from "./sensitive-header.ts"

/** A header as it is kept; without its value where that is nobody else's business. */
export type KeptHeader = [name: string, value: string | null]

/**
 * The headers of an attempt as they are kept. What can be told from the event and the
 * attempt is not among them.
 */
export interface KeptHeaders {
  sent: KeptHeader[]
  /** Null: there was no answer. */
  received: KeptHeader[] | null
  /** Whether some were left out or cut. */
  cut: boolean
}

const SENT_BYTES = 2 * 1_024
const MAX_VALUE_CHARS = 512
/** A shorter value is in other values by chance. */
const MIN_SECRET_CHARS = 6

/** What the attempt's own record tells: the event's id and the time; a signature can be made again. */
const DERIVED = /^webhook-(id|timestamp|signature)$/
/** Sent values that are ours, and no secret. */
const SHOWN = /^(user-agent|content-type|svix-id|svix-timestamp)$/
/** Kept ahead of all others: what follows from an answer. */
const FIRST = ["retry-after", "webhook-delivery"]

/**
 * The headers of a request and of its answer as they are kept: of the endpoint's `own` their names alone, of
 * the answer what fits into `mostBytes`. Values that are credentials by their names are left out, and so is
 * what repeats one of `own`.
 */
export function keepHeaders(
  sent: Iterable<[string, string]>,
  received: Iterable<[string, string]> | null,
  { own, mostBytes }: { own: Readonly<Record<string, string>>; mostBytes: number },
): KeptHeaders {
  const request = bounded(
    [...sent]
      .filter(([name]) => !DERIVED.test(name))
      .map(([name, value]): KeptHeader => [name, SHOWN.test(name) ? value : null]),
    SENT_BYTES,
  )
  const secrets = Object.entries(own)
    .filter(([name]) => !SHOWN.test(name.toLowerCase()))
    .map(([, value]) => value.trim())
    .filter((value) => value.length >= MIN_SECRET_CHARS)
  const isSecret = (name: string, value: string) =>
    isSensitiveHeader(name) || secrets.some((secret) => value.includes(secret))
  const answer =
    received &&
    bounded(
      firstThings([...received]).map(
        ([name, value]): KeptHeader => [name, isSecret(name, value) ? null : value],
      ),
      mostBytes,
    )
  return { sent: request.kept, received: answer?.kept ?? null, cut: request.cut || (answer?.cut ?? false) }
}

/** The headers that an attempt for this event at this time (epoch ms) has sent, as far as they are known. */
export function sentHeaders(kept: KeptHeaders | null, eventId: string, at: number): KeptHeader[] {
  if (kept === null) return []
  return [
    ["webhook-id", eventId],
    ["webhook-timestamp", String(Math.floor(at / 1_000))],
    ["webhook-signature", null],
    ...kept.sent,
  ]
}

function firstThings(headers: [string, string][]): [string, string][] {
  const isFirst = ([name]: [string, string]) => FIRST.includes(name)
  return [...headers.filter(isFirst), ...headers.filter((header) => !isFirst(header))]
}

function bounded(headers: KeptHeader[], mostBytes: number): { kept: KeptHeader[]; cut: boolean } {
  const kept: KeptHeader[] = []
  let cut = false
  let left = mostBytes
  for (const [name, value] of headers) {
    const short =
      value === null || value.length <= MAX_VALUE_CHARS ? value : `${value.slice(0, MAX_VALUE_CHARS)}…`
    const bytes = new TextEncoder().encode(JSON.stringify([name, short])).byteLength
    cut ||= short !== value || bytes > left
    if (bytes > left) continue
    left -= bytes
    kept.push([name, short])
  }
  return { kept, cut }
}
