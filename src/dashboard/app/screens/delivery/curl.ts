import type { Schemas } from "../../api/client.ts"

/** The request as a command for a POSIX shell; what was not kept is left to fill in. */
export function toCurl({ url, headers, body }: Schemas["MessageAttemptExchangeOut"]["request"]): string {
  const lines = [
    `curl -X POST ${quoted(url)}`,
    ...headers.map(({ name, value }) => `-H ${quoted(`${name}: ${value ?? `<${name}>`}`)}`),
    ...(body === null ? [] : [`--data-raw ${quoted(body)}`]),
  ]
  return lines.join(" \\\n  ")
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
