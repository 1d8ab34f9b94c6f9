import type { Schemas } from "../../api/client.ts"

type Known = Pick<Schemas["MessageAttemptExchangeOut"], "attempt" | "response" | "error">

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
}
const BY_ERROR: readonly (readonly [RegExp, string])[] = [
  [/time/i, "Answer with 2xx first, and do the work afterwards: nobody waits for it here."],
  [
    /certificate|tls|name/i,
    "Check how the host’s name is spelled and whether it resolves (`dig`), and whether its certificate is valid for it and comes with its chain (`openssl s_client`).",
  ],
  [
    /refused|reset|connection/i,
    "Nobody listens at that address and port, or a firewall is in between: is the receiver running, and reachable from the internet?",
  ],
  [/target|private|allowed/i, "Posthorn sends to public addresses alone: change the endpoint’s URL."],
]

/** What to look at, by the cause of a failure; null where there is nothing to say. */
export function hintFor({ attempt, response, error }: Known): string | null {
  if (attempt.status === 0) return null
  if (response === null) return BY_ERROR.find(([pattern]) => pattern.test(error ?? ""))?.[1] ?? null
  const { status, headers } = response
  if (status >= 300 && status <= 399) {
    const location = headers.find(({ name }) => name.toLowerCase() === "location")?.value
    const where = location ? `It points to ${location}: ` : ""
    return `${where}redirects are not followed, so give the endpoint the URL where it really is.`
  }
  if (status >= 500) return BY_STATUS[status] ?? "The receiver failed: its own log says why."
  return BY_STATUS[status] ?? null
}
