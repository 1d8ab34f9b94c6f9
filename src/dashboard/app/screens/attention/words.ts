import type { Schemas } from "../../api/client.ts"
import type { Chip } from "../../ui/state.tsx"

type Unwell = Schemas["AttentionOut"]["endpoints"][number]

/** Groups that are shown. */
const MOST_GROUPS = 8

const CAUSES: Readonly<Record<string, string>> = {
  manual: "by hand",
  gone: "410 Gone",
  asked: "asked for it",
  failing: "failed too long",
  timeout: "no answer in time",
  connection: "refused or reset",
  "name-or-tls": "name or certificate",
  malformed: "no HTTP",
  "refused-target": "refused target",
  internal: "our fault",
}

/** Why an endpoint is in the list, in a few words. */
export function causeOf({ cause, lastAttempt }: Pick<Unwell, "cause" | "lastAttempt">): string {
  if (cause === null) return ""
  return CAUSES[cause] ?? (lastAttempt?.statusCode ? `answered ${lastAttempt.statusCode}` : cause)
}

/** What endpoints have in common that are in trouble together. */
export function keyOfGroup({ host, cause }: Pick<Unwell, "host" | "cause">): string {
  return `${host} ${cause ?? ""}`
}

/** The hosts and causes that more than one endpoint has, the most frequent first. */
export function groupsOf(endpoints: readonly Unwell[]): Chip<string>[] {
  return [...Map.groupBy(endpoints, keyOfGroup)]
    .filter(([, { length }]) => length > 1)
    .toSorted(([, a], [, b]) => b.length - a.length)
    .slice(0, MOST_GROUPS)
    .flatMap(([value, [one, ...others]]) =>
      one
        ? [{ value, label: `${one.host}: ${CAUSES[one.cause ?? ""] ?? one.cause}`, count: others.length + 1 }]
        : [],
    )
}
