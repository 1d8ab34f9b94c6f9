import type { Schemas } from "../../api/client.ts"

type Inbox = Schemas["InboxOut"]
export type Manner = Pick<Inbox, "status" | "retryAfterSeconds" | "delayMs" | "hangs">

const AT_ONCE = { retryAfterSeconds: null, delayMs: 0, hangs: false }

/** How an inbox can be told to answer, each with its name and what it tries. */
export const MANNERS = {
  ok: { label: "200", manner: { ...AT_ONCE, status: 200 } },
  error: { label: "500", manner: { ...AT_ONCE, status: 500 } },
  gone: { label: "410", manner: { ...AT_ONCE, status: 410 } },
  busy: { label: "429, Retry-After", manner: { ...AT_ONCE, status: 429, retryAfterSeconds: 30 } },
  slow: { label: "Slow", manner: { ...AT_ONCE, status: 200, delayMs: 5_000 } },
  hangs: { label: "Hang", manner: { ...AT_ONCE, status: 200, hangs: true } },
} as const satisfies Record<string, { label: string; manner: Manner }>

export type MannerName = keyof typeof MANNERS

/** Which of these an inbox keeps to; null where somebody has told it something else. */
export function nameOf(inbox: Manner): MannerName | null {
  const isSame = ({ status, retryAfterSeconds, delayMs, hangs }: Manner) =>
    inbox.status === status &&
    inbox.retryAfterSeconds === retryAfterSeconds &&
    inbox.delayMs === delayMs &&
    inbox.hangs === hangs
  const found = Object.entries(MANNERS).find(([, { manner }]) => isSame(manner))
  return (found?.[0] as MannerName | undefined) ?? null
}

/** What an inbox does with a request, in words. */
export function mannerOf({ status, retryAfterSeconds, delayMs, hangs }: Manner): string {
  if (hangs) return "Takes requests and never answers"
  return [
    `Answers ${status}`,
    retryAfterSeconds === null ? "" : ` with Retry-After: ${retryAfterSeconds}`,
    delayMs === 0 ? "" : ` after ${delayMs / 1000} s`,
  ].join("")
}
