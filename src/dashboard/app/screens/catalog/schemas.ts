import type { Schemas } from "../../api/client.ts"

type Type = Pick<Schemas["EventTypeOut"], "schemas">

/** The schemas of a type, the newest first. */
export function versionsOf({ schemas }: Type) {
  return Object.entries(schemas ?? {})
    .map(([version, schema]) => ({ version, schema }))
    .sort((a, b) => Number(b.version) - Number(a.version))
}

/** The schemas with one more, which becomes the newest. */
export function withNewest(type: Type, schema: Record<string, unknown>) {
  const newest = versionsOf(type)[0]?.version ?? "0"
  return { ...type.schemas, [String(Number(newest) + 1)]: schema }
}
