import type { Schemas } from "../../api/client.ts"

/** The request as a command for a POSIX shell; what was not kept is left to fill in, but for a signature that is given. */
export function toCurl(
  { url, headers, body }: Schemas["MessageAttemptExchangeOut"]["request"],
  signature: string | null = null,
): string {
  const known: Readonly<Record<string, string | null>> = { "webhook-signature": signature }
  const lines = [
    `curl -X POST ${quoted(url)}`,
    ...headers.map(({ name, value }) => `-H ${quoted(`${name}: ${value ?? known[name] ?? `<${name}>`}`)}`),
    ...(body === null ? [] : [`--data-raw ${quoted(body)}`]),
  ]
  return lines.join(" \\\n  ")
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
