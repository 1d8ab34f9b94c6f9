/** Why a URL cannot be a target. */
export type TargetRefusal =
  | "unparsable"
  | "scheme"
  | "credentials"
  | "too-long"
  | "private"
  | "own-host"
  | "control-characters"

interface Address {
  version: 4 | 6
  value: bigint
}

interface AddressRange {
  version: 4 | 6
  first: bigint
  last: bigint
}

const MAX_TARGET_URL_CHARS = 2_048

const REFUSALS = {
  unparsable:
    "The URL cannot be read; write it in full, such as https://example.com/webhook, with a valid host name.",
  scheme: "The URL has to begin with https:// or http://.",
  credentials: "The URL must not hold a user name or password; use an Authorization header instead.",
  "too-long": `The URL is too long; shorten it to ${MAX_TARGET_URL_CHARS} characters or fewer, counted as they are sent: percent-encoded.`,
  private:
    "The URL points into a private or reserved network; use a host that the public internet can reach.",
  "own-host": "The URL points at this service itself; use the address of the receiver instead.",
  "control-characters":
    "The URL holds a line break, a tab or another invisible character; remove it or percent-encode it.",
} satisfies Record<TargetRefusal, string>

// IANA's special-purpose address registries, and multicast: nothing in them is a receiver on the public
// internet.
const BLOCKED_RANGES = [
  "0.0.0.0/8", // this network; 0.0.0.0 reaches loopback
  "10.0.0.0/8", // private
  "100.64.0.0/10", // carrier-grade NAT
  "127.0.0.0/8", // loopback
  "168.63.129.16/32", // Azure's own services to its machines
  "169.254.0.0/16", // link-local, cloud metadata
  "172.16.0.0/12", // private
  "192.0.0.0/24", // protocol assignments
  "192.0.2.0/24", // documentation
  "192.88.99.0/24", // 6to4 relays
  "192.168.0.0/16", // private
  "198.18.0.0/15", // benchmarking
  "198.51.100.0/24", // documentation
  "203.0.113.0/24", // documentation
  "224.0.0.0/4", // multicast
  "240.0.0.0/4", // reserved, broadcast
  "::/8", // unspecified, loopback, IPv4-mapped, IPv4-compatible, local NAT64 (64:ff9b:1::/48)
  "100::/64", // discard
  "100:0:0:1::/64", // dummy prefix
  "2001::/23", // protocol assignments, Teredo
  "2001:db8::/32", // documentation
  "2002::/16", // 6to4, which embeds any IPv4 address
  "3fff::/20", // documentation
  "5f00::/16", // segment routing
  "fc00::/7", // unique local
  "fe80::/10", // link-local
  "fec0::/10", // site-local
  "ff00::/8", // multicast
].map(parseRange)

const NAT64 = parseRange("64:ff9b::/96")
const IPV4_MAPPED = parseRange("::ffff:0:0/96")
const LOOPBACK = ["127.0.0.0/8", "::1/128"].map(parseRange)
/** Loopback, and "any address", a connection to which reaches loopback on most systems. */
const THIS_MACHINE = [...LOOPBACK, ...["0.0.0.0/32", "::/128"].map(parseRange)]

/** The one path of this service that takes deliveries: a test inbox's. */
export const OWN_RECEIVER = /^\/inbox\/(ibx_[0-9a-f]{32})$/

/** Names of special use, those that ICANN has set aside, and what routers and clusters call their own. */
const PRIVATE_NAMES = [
  "localhost",
  "localdomain",
  "local",
  "internal",
  "intranet",
  "private",
  "corp",
  "home",
  "lan",
  "home.arpa",
  "svc",
]

/**
 * Decides whether we may send to this URL; pure, so a name is judged by its spelling, never looked up.
 * `allowPrivate` lifts the private-network rule alone. The message says what to change and shows nothing of
 * the URL. TypeError if an own origin is no URL.
 */
export function checkTargetUrl(
  url: string,
  options: { allowPrivate: boolean; ownOrigins: readonly string[] },
): { ok: true; url: URL } | { ok: false; reason: TargetRefusal; message: string } {
  // The parser would drop tabs and line breaks and replace unpaired surrogates: the target would not be the
  // text we were given.
  if (/[\p{Cc}\p{Cs}]/u.test(url)) return refuse("control-characters")
  const target = URL.parse(url)
  if (!target) return refuse("unparsable")
  // As it is sent, percent-encoded, a URL is several times as long as what was typed; stored is either.
  if (Math.max(url.length, target.href.length) > MAX_TARGET_URL_CHARS) return refuse("too-long")
  if (target.protocol !== "https:" && target.protocol !== "http:") return refuse("scheme")
  if (target.username || target.password) return refuse("credentials")
  if (hasEmptyLabel(hostOf(target))) return refuse("unparsable")
  const isOwn = options.ownOrigins.some((origin) => reachesOrigin(target, new URL(origin)))
  if (isOwn && !OWN_RECEIVER.test(target.pathname)) return refuse("own-host")
  if (!options.allowPrivate && isPrivateHost(hostOf(target))) return refuse("private")
  return { ok: true, url: target }
}

/**
 * Whether a host name, spelled as `URL.hostname` gives it, is this machine: `localhost`, `*.localhost`, 127/8
 * or `[::1]`. 0.0.0.0 is not: no honest client names it in a Host header.
 */
export function isLoopbackHost(hostname: string): boolean {
  if (isWithinName(hostname.toLowerCase(), "localhost")) return true
  if (hostname.includes(":")) return hostname === "[::1]" || hostname === "::1"
  const address = parseAddress(hostname)
  return address !== null && isInAny(LOOPBACK, address)
}

/** Whether a name has to be resolved before a request to this URL: it is no address, and not this machine. */
export function needsName(url: URL): boolean {
  return parseAddress(hostOf(url)) === null && !isLoopbackHost(url.hostname)
}

/**
 * The form in which two spellings of one target are equal. A fragment is no part of it: it is never sent.
 */
export function targetKey(url: URL): string {
  const key = new URL(url)
  key.hash = ""
  return key.href
}

function refuse(reason: TargetRefusal): { ok: false; reason: TargetRefusal; message: string } {
  return { ok: false, reason, message: REFUSALS[reason] }
}

/** The host without brackets and without the trailing dot of a fully qualified name. */
function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$|\.$/g, "")
}

/**
 * No resolver finds such a name, and the URL parser leaves it as it is: 127.0.0.1.. would pass as public.
 */
function hasEmptyLabel(host: string): boolean {
  return host.split(".").includes("")
}

function isPrivateHost(host: string): boolean {
  const address = parseAddress(host)
  if (address) return isBlocked(address)
  // A single label is found through a hosts file or a search domain alone: `redis`,
  // `metadata`, `ip6-loopback`.
  return !host.includes(".") || PRIVATE_NAMES.some((name) => isWithinName(host, name))
}

function isBlocked(address: Address): boolean {
  return isIn(NAT64, address) ? isBlocked(embeddedIpv4(address)) : isInAny(BLOCKED_RANGES, address)
}

/** Whether a request to the target would arrive at the server with this origin. */
function reachesOrigin(target: URL, origin: URL): boolean {
  if (isThisMachine(origin)) return isThisMachine(target) && portOf(target) === portOf(origin)
  return hostKey(target) === hostKey(origin) && publicPortOf(target) === publicPortOf(origin)
}

function isThisMachine(url: URL): boolean {
  const host = hostOf(url)
  const address = unmapped(parseAddress(host))
  return address ? isInAny(THIS_MACHINE, address) : isWithinName(host, "localhost")
}

function portOf(url: URL): string {
  return url.port || (url.protocol === "https:" ? "443" : "80")
}

/** On the public internet the two default ports are doors of one server. */
function publicPortOf(url: URL): string {
  const port = portOf(url)
  return port === "80" ? "443" : port
}

/** Equal for two spellings of one host. */
function hostKey(url: URL): string {
  const host = hostOf(url)
  const address = unmapped(parseAddress(host))
  return address ? `${address.version}/${address.value}` : host
}

function isWithinName(host: string, name: string): boolean {
  return host === name || host.endsWith(`.${name}`)
}

/** An IPv4-mapped IPv6 address opens the same connection as the IPv4 address inside it. */
function unmapped(address: Address | null): Address | null {
  return address && isIn(IPV4_MAPPED, address) ? embeddedIpv4(address) : address
}

function embeddedIpv4(address: Address): Address {
  return { version: 4, value: address.value & 0xffff_ffffn }
}

function isInAny(ranges: readonly AddressRange[], address: Address): boolean {
  return ranges.some((range) => isIn(range, address))
}

function isIn(range: AddressRange, { version, value }: Address): boolean {
  return version === range.version && value >= range.first && value <= range.last
}

function parseRange(cidr: string): AddressRange {
  const [base = "", prefixLength] = cidr.split("/")
  const address = parseAddress(base)
  if (!address) throw new SyntaxError(`Not an address range: ${cidr}`)
  const hostBits = BigInt((address.version === 4 ? 32 : 128) - Number(prefixLength))
  return { version: address.version, first: address.value, last: address.value + (1n << hostBits) - 1n }
}

/** Reads an address in the canonical spelling to which the URL parser brings all others; null for a name. */
function parseAddress(host: string): Address | null {
  if (host.includes(":")) return { version: 6, value: joinParts(ipv6Groups(host), 16n) }
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(host)) return { version: 4, value: joinParts(host.split("."), 8n) }
  return null
}

/** The eight groups of an IPv6 address, with `::` filled up, in a form that BigInt reads. */
function ipv6Groups(text: string): string[] {
  const [head = [], tail = []] = text.split("::").map((half) => half.split(":").filter(Boolean))
  const zeros = Array<string>(8 - head.length - tail.length).fill("0")
  return [...head, ...zeros, ...tail].map((group) => `0x${group}`)
}

function joinParts(parts: readonly string[], bitsPerPart: bigint): bigint {
  return parts.reduce((value, part) => (value << bitsPerPart) | BigInt(part), 0n)
}
