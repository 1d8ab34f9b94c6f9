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
