import { Validator } from "@cfworker/json-schema"

import { isObject } from "./rules/json.ts"

/** A JSON schema as an event type keeps it, one a version. */
export type Schema = Record<string, unknown>

const DRAFTS = [
  ["draft-04", "4"],
  ["draft-07", "7"],
  ["2019-09", "2019-09"],
] as const
const MAX_MISFITS = 3

/** The newest of an event type's schemas: the highest version number; null if there is none. */
export function newestSchema(schemas: Record<string, unknown> | null): Schema | null {
  const [newest] = Object.entries(schemas ?? {}).toSorted(
    ([a], [b]) => (Number.parseInt(b, 10) || 0) - (Number.parseInt(a, 10) || 0),
  )
  const schema = newest?.[1]
  return isObject(schema) ? schema : null
}

/** Why a value does not fit a schema, in one sentence; null if it fits. */
export function misfit(schema: Schema, value: unknown): string | null {
  try {
    const { valid, errors } = new Validator(schema, draftOf(schema), false).validate(value)
    if (valid) return null
    // Outermost first are those that only say that something inside is wrong.
    const innermost = errors.filter(
      ({ instanceLocation }) =>
        !errors.some((other) => other.instanceLocation.startsWith(`${instanceLocation}/`)),
    )
    return innermost
      .slice(0, MAX_MISFITS)
      .map(({ instanceLocation, error }) => `${instanceLocation}: ${error}`)
      .join(" ")
  } catch {
    return "The schema itself cannot be applied: it refers to what is not there, or to itself without end."
  }
}

function draftOf(schema: Schema) {
  const named = typeof schema.$schema === "string" ? schema.$schema : ""
  return DRAFTS.find(([mark]) => named.includes(mark))?.[1] ?? "2020-12"
}
