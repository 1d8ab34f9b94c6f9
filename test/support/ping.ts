import { vi } from "vitest"
import type { World } from "./world.ts"
export const ALL = "Pinged all registered webhooks successfully."

export interface Pinged {
  successful_webhooks_count: number
  successful_webhooks: { event: string; url: string; payload_response: unknown; truncated?: true }[]
  failed_webhooks_count: number
  failed_webhooks: { event: string; url: string; error: string; status_code: number | null }[]
  pending_webhooks_count: number
  pending_webhooks: { event: string; url: string }[]
  results_url: string
}

export function success(event: string, url: string) {
  return { event, url, payload_response: { ok: true }, payload: { ok: true }, status_code: 200 }
}

export function failure(event: string, url: string, error: string, status_code: number | null) {
  return { event, url, error, status_code }
}

/** What tests of A's ping do through the doors of the world that `of` answers when they run. */
export function pinging(of: () => World) {
  const ping = (query = "", json?: unknown) =>
    of().fetch(`/ping${query}`, json === undefined ? { method: "POST" } : { json })
  return {
    ping,
    pinged: async (query = "", json?: unknown) => (await ping(query, json)).json<Pinged>(),
    /** Registers the URLs with A; answers the last one's secret. */
    async register(event: string, ...urls: string[]): Promise<string> {
      let secret = ""
      for (const url of urls) {
        const response = await of().fetch("/webhook", { json: { event, url } })
        secret = (await response.json<{ secret: string }>()).secret
      }
      return secret
    },
    /**
     * The consumer's requests hang until their timers fire: it is started, not waited for. `settled` says when the
     * jobs are where they must be before time may go on.
     */
    workInBackground(settled: () => void): Promise<unknown> {
      const { promise, resolve } = Promise.withResolvers<unknown>()
      let started = false
      of().clock.whileAsleep = async (ms) => {
        of().clock.advance(ms)
        if (!started) void of().runDue().then(resolve)
        started = true
        await vi.waitFor(settled, { interval: 1, timeout: 20_000 })
      }
      return promise
    },
  }
}
