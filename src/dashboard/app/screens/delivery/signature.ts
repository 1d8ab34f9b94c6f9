import type { Schemas } from "../../api/client.ts"
import { api, ask } from "../../api/client.ts"

type Request = Schemas["MessageAttemptExchangeOut"]["request"]

/**
 * The signature that a request has with the endpoint's secret of now, as `webhook-signature` carries it; null if the secret
 * signs with a key that only the Worker has. It is not the one that was sent where the secret was rotated since.
 */
export async function recomputeSignature(
  app: string,
  endpoint: string,
  { headers, body }: Request,
): Promise<string | null> {
  const { key } = await ask(
    api.GET("/api/v1/app/{app_id}/endpoint/{endpoint_id}/secret", {
      params: { path: { app_id: app, endpoint_id: endpoint } },
    }),
  )
  if (!key.startsWith("whsec_")) return null
  const sent = (name: string) => headers.find((header) => header.name === name)?.value ?? ""
  const signed = `${sent("webhook-id")}.${sent("webhook-timestamp")}.${body ?? ""}`
  const secret = await crypto.subtle.importKey(
    "raw",
    Uint8Array.from(atob(key.slice("whsec_".length)), (char) => char.charCodeAt(0)),
    { name: "HMAC", hash: "SHA-256" },
    false,
    ["sign"],
  )
  const bytes = await crypto.subtle.sign("HMAC", secret, new TextEncoder().encode(signed))
  return `v1,${btoa(String.fromCharCode(...new Uint8Array(bytes)))}`
}
