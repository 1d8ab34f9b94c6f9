/** What an id begins with, by noun of the engine. */
const PREFIXES = {
  application: "app",
  eventType: "ety",
  endpoint: "ep",
  subscription: "sub",
  secret: "sec",
  event: "evt",
  attempt: "att",
  ping: "ping",
  task: "qtask",
  token: "tok",
  inboxRequest: "ireq",
} as const

/** A noun of the engine by its name; one of a family with the prefix of its ids. */
export type Noun = keyof typeof PREFIXES | { prefix: string }

// Ids of one millisecond stay in the order they were made: rand_a counts (RFC 9562, section 6.2, method 1).
// The only state kept between requests here; losing it costs order within one millisecond, nothing else.
let lastMs = 0
let counter = 0

/** A new UUIDv7 (RFC 9562): sortable by `now` (epoch ms), and by order of creation within this isolate. */
function newUuid(now: number): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  counter = now === lastMs ? counter + 1 : (((bytes[6] ?? 0) & 0x07) << 8) | (bytes[7] ?? 0)
  lastMs = now
  const hex = bytes.toHex()
  const variant = (((bytes[8] ?? 0) & 0x3f) | 0x80).toString(16)
  const time = now.toString(16).padStart(12, "0")
  const count = (counter & 0xfff).toString(16).padStart(3, "0")
  return `${time.slice(0, 8)}-${time.slice(8)}-7${count}-${variant}${hex.slice(18, 20)}-${hex.slice(20)}`
}

/** A new id of a noun: `evt_` and a UUIDv7 without dashes, sortable by time. */
export function newId(noun: Noun, now: number): string {
  return `${prefixOf(noun)}_${newUuid(now).replaceAll("-", "")}`
}

/** Whether an id of a noun was made by `newId`; the ids of what comes with the system have words instead. */
export function isMade(noun: Noun, id: string): boolean {
  const [prefix, rest = ""] = id.split("_")
  return prefix === prefixOf(noun) && /^[0-9a-f]{32}$/.test(rest)
}

/**
 * The least id that a noun made at `time` (epoch ms) can have: "since" and "before" are comparisons of ids.
 */
export function idAt(noun: Noun, time: number): string {
  return `${prefixOf(noun)}_${Math.max(0, Math.ceil(time)).toString(16).padStart(12, "0")}`
}

/** Greater than every id of a noun. */
export function behindAll(noun: Noun): string {
  return `${prefixOf(noun)}~`
}

/** When an id was made, epoch ms: the inverse of `idAt`. */
export function timeOf(id: string): number {
  const [, hex = ""] = id.split("_")
  return Number.parseInt(hex.slice(0, 12), 16)
}

/** The UUID within an id, with dashes, as C's contract shows it; `fromUuid` is its inverse. */
export function toUuid(id: string): string {
  const hex = id.slice(id.indexOf("_") + 1)
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-")
}

/** The id of a noun from its UUID with dashes; null when the text is no UUID. */
export function fromUuid(noun: Noun, uuid: string): string | null {
  const wellFormed = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(uuid)
  return wellFormed ? `${prefixOf(noun)}_${uuid.replaceAll("-", "").toLowerCase()}` : null
}

function prefixOf(noun: Noun): string {
  return typeof noun === "string" ? PREFIXES[noun] : noun.prefix
}
