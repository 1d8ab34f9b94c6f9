import type { components } from "../../api/schema.d.ts"

type Known = Pick<
  components["schemas"]["MessageAttemptExchangeOut"],
  "attempt" | "request" | "response" | "error"
>

const LATE = "Answer with 2xx first, and do the work afterwards: nobody waits for it here."
const UNREACHED =
  "Nobody listens at that address and port, or a firewall is in between: is the receiver running, and reachable from the internet?"
const NAME = "Check how the host’s name is spelled, and whether it resolves to the receiver (`dig`)."
const CERTIFICATE =
  "Check that the receiver’s certificate is valid for this host, has not expired and comes with its chain (`openssl s_client`)."

/** What a status most often means for whoever runs the receiver. */
const BY_STATUS: Readonly<Record<number, string>> = {
  400: "The receiver does not like the body or the headers: compare them with what it expects.",
  401: "The receiver wants credentials: set them as headers of the endpoint.",
  403: "The receiver forbids it: check the credentials among the endpoint’s headers, and what stands before it, such as a firewall.",
  404: "Nothing answers at this path: check the endpoint’s URL.",
  405: "The receiver takes no POST at this path: check the endpoint’s URL.",
  408: "The receiver gave up waiting: answer first, and work later.",
  410: "The receiver says that it is gone for good, which disables the endpoint.",
  413: "The receiver takes no body of this size: raise its limit.",
  415: "The receiver does not take this content type.",
  429: "The receiver gets too much: give the endpoint a rate that it can bear.",
  // Cloudflare's own, in place of a receiver that it could not talk to.
  521: UNREACHED,
  522: UNREACHED,
  523: NAME,
  524: LATE,
  525: CERTIFICATE,
  526: CERTIFICATE,
  530: NAME,
}

/** What the absence of an answer most often means, by how it is told. */
const BY_ERROR: Readonly<Record<string, string>> = {
  "Timed out": LATE,
  "Connection refused": UNREACHED,
  "Malformed answer":
    "What listens there does not speak HTTP as it should: check the port, and what stands before the receiver.",
  "Target refused": "Posthorn sends to public addresses alone: change the endpoint’s URL.",
}

/** What to look at, by the cause of a failure; null where there is nothing to say. */
export function hintFor({ attempt, request, response, error }: Known): string | null {
  if (attempt.status === 0) return null
  if (response === null)
    return error === "Name or TLS error" ? nameOrTls(request.url) : (BY_ERROR[error ?? ""] ?? null)
  const { status, headers } = response
  if (status >= 300 && status <= 399) {
    const location = headers.find(({ name }) => name.toLowerCase() === "location")?.value
    const where = location ? `It points to ${location}: ` : ""
    return `${where}redirects are not followed, so give the endpoint the URL where it really is.`
  }
  if (status >= 500) return BY_STATUS[status] ?? "The receiver failed: its own log says why."
  return BY_STATUS[status] ?? null
}

/** The runtime does not tell the two apart. Where there is no TLS it was the name, where there is no name TLS. */
function nameOrTls(url: string): string {
  const { protocol, hostname } = new URL(url)
  if (protocol === "http:") return NAME
  return /^[\d.]+$|^\[/.test(hostname) ? CERTIFICATE : `${NAME} ${CERTIFICATE}`
}
