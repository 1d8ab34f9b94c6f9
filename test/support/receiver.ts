import { Webhook } from "standardwebhooks"
import { vi } from "vitest"

import type { Clock } from "../../src/platform/clock.ts"

export interface Received {
  url: string
  /** When it arrived, by the test's clock. */
  at: number
  headers: Record<string, string>
  body: string
  json: unknown
}

export type Answer = number | Response | Error | "hang" | ((request: Received) => Answer | Promise<Answer>)

/**
 * The outside world: a fetch that hands every request to the receiver scripted for its URL, and keeps what
 * arrived. A receiver without a script answers 200 `{"ok":true}`.
 */
export function createReceivers(clock: Clock) {
  const received: Received[] = []
  const scripts = new Map<string, Answer[]>()

  async function answerFor(request: Received): Promise<Response> {
    const script = scripts.get(request.url)
    let answer: Answer = (script && script.length > 1 ? script.shift() : script?.[0]) ?? 200
    while (typeof answer === "function") answer = await answer(request)
    if (answer === "hang") return new Promise(() => {})
    if (answer instanceof Error) throw answer
    if (answer instanceof Response) return answer.clone()
    return new Response(answer === 204 ? null : JSON.stringify({ ok: answer < 300 }), { status: answer })
  }

  const fetch = async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    const request = new Request(input, init as RequestInit<RequestInitCfProperties>)
    const body = await request.text()
    const arrived: Received = {
      url: request.url,
      at: clock.now(),
      headers: Object.fromEntries(request.headers),
      body,
      json: parse(body),
    }
    received.push(arrived)
    return answerFor(arrived)
  }

  return {
    fetch: fetch as typeof globalThis.fetch,
    received,
    /** What the receiver at `url` answers, one after the other; the last one for ever. */
    at(url: string, ...answers: Answer[]) {
      scripts.set(new URL(url).href, answers)
    },
    /** What arrived at `url`. */
    to: (url: string) => received.filter((request) => request.url === new URL(url).href),
  }
}

/** Verifies a delivery at its arrival, with the public reference package; throws if it does not hold. */
export function verify(secret: string, received: Received | undefined): unknown {
  if (!received) throw new Error("nothing arrived")
  const now = vi.spyOn(Date, "now").mockReturnValue(received.at)
  try {
    return new Webhook(secret).verify(received.body, received.headers)
  } finally {
    now.mockRestore()
  }
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}
