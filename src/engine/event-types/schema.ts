import { dereference, format, type Schema as Node, Validator } from "@cfworker/json-schema"
import { isObject } from "../rules/json.ts"
import { compilePattern } from "./patterns.ts"
import { type Flaw, flawsOf, HOLDING, type Schema } from "./schema-flaws.ts"

const DRAFTS = [
  ["draft-04", "4"],
  ["draft-07", "7"],
  ["2019-09", "2019-09"],
] as const
const MAX_MISFITS = 3
/** What is looked through for them. */
const MAX_ERRORS = 200
/** What checking one value may take, in visits of a schema: some tenths of a second. */
const MAX_STEPS = 100_000
/** Comparing values or items with each other, or characters with a pattern, is quicker than a visit. */
const VALUES_PER_STEP = 20
const PAIRS_PER_STEP = 100
const CHARACTERS_PER_STEP = 16
/** Their expressions take more than linear time for some texts. */
const UNSAFE_FORMATS = ["url", "regex"]
/** What each kind of value meets first in a schema that refers to itself without end. */
const PROBES = [{}, [], "", 0, true, null]

/** The newest of an event type's schemas: the highest version number; null if there is none. */
export function newestSchema(schemas: Record<string, unknown> | null): Schema | null {
  const [newest] = Object.entries(schemas ?? {}).toSorted(
    ([a], [b]) => (Number.parseInt(b, 10) || 0) - (Number.parseInt(a, 10) || 0),
  )
  const schema = newest?.[1]
  return isObject(schema) ? schema : null
}

/** What keeps a schema from being applied; null if it can be, to any value, in bounded time. */
export function flawOf(schema: Schema): Flaw | null {
  const [flaw] = flawsOf(schema)
  if (flaw) return flaw
  try {
    const missing = unresolved(schema)
    if (missing)
      return { path: [...missing, "$ref"], message: "must be a reference to a part of this schema" }
    for (const probe of PROBES) validate(schema, probe)
    return null
  } catch {
    return { path: [], message: "refers to itself without end, or cannot be applied" }
  }
}

/**
 * Why a value does not fit a schema, in one sentence; null if it fits. A schema that cannot be applied, which
 * none has been since they are checked when they are written, fits everything.
 */
export function misfit(schema: Schema, value: unknown): string | null {
  if (flawOf(schema)) return null
  try {
    const { valid, errors } = validate(schema, value)
    if (valid) return null
    // Outermost first are those that only say that something inside is wrong, as those of allOf always do.
    const first = errors.slice(0, MAX_ERRORS).filter(({ keyword }) => keyword !== "allOf")
    const innermost = first.filter(
      ({ instanceLocation }) =>
        !first.some((other) => other.instanceLocation.startsWith(`${instanceLocation}/`)),
    )
    return innermost
      .slice(0, MAX_MISFITS)
      .map(
        ({ instanceLocation, error }) =>
          `${instanceLocation}: ${error.replace('format "pattern ', 'pattern "')}`,
      )
      .join(" ")
  } catch {
    return "To compare the two takes too long: the payload is too large for a schema like this."
  }
}

function validate(schema: Schema, value: unknown) {
  const formats = new Map<string, (text: string) => boolean>()
  const prepared = prepare(schema, formats, value)
  try {
    for (const [name, holds] of formats) format[name] = holds
    return new Validator(prepared as Node, draftOf(schema), false).validate(value)
  } finally {
    for (const name of formats.keys()) delete format[name]
  }
}

/**
 * The schema as the validator can take it. Each visit to a part of it counts, and too many of them throw.
 * Patterns go to the engine that takes linear time: as formats, which are functions, and those of property
 * names as the very properties of this value that they match.
 */
function prepare(root: Schema, formats: Map<string, (text: string) => boolean>, value: unknown): unknown {
  const { keys, longest } = measure(value)
  let steps = 0
  const spend = (cost: number): void => {
    steps += cost
    if (steps > MAX_STEPS) throw new RangeError("too many steps")
  }
  const toFormat = (pattern: string): Schema => {
    const compiled = compilePattern(pattern)
    const name = `pattern ${pattern}`
    formats.set(name, (text) => {
      spend(text.length / CHARACTERS_PER_STEP)
      return typeof compiled !== "string" && compiled.test(text)
    })
    return { format: name }
  }
  const copy = (schema: unknown): unknown => {
    if (typeof schema === "boolean") return counting(schema ? {} : { not: {} })
    if (!isObject(schema)) return schema
    const { pattern, patternProperties, ...rest } = schema
    const parts = Object.entries(rest).map(([key, part]): [string, unknown] => {
      if (HOLDING.one.has(key)) return [key, copy(part)]
      if (HOLDING.list.has(key) || key === "items") return [key, copyAll(part)]
      if (HOLDING.map.has(key) || key === "dependencies") return [key, copyValues(part)]
      return [key, part]
    })
    const copied: Schema = Object.fromEntries(parts)
    if (isObject(patternProperties)) {
      copied.properties = withMatching(copied.properties, patternProperties)
    }
    if (typeof pattern === "string") {
      copied.allOf = [...(Array.isArray(copied.allOf) ? copied.allOf : []), toFormat(pattern)]
    }
    if (typeof copied.format === "string" && !isSafeFormat(copied.format)) delete copied.format
    return counting(copied)
  }
  const copyAll = (list: unknown) => (Array.isArray(list) ? list.map(copy) : copy(list))
  const copyValues = (map: unknown) =>
    isObject(map) ? Object.fromEntries(Object.entries(map).map(([name, part]) => [name, copy(part)])) : map
  const withMatching = (properties: unknown, patterns: Schema): Schema => {
    const own = isObject(properties) ? properties : {}
    const all = Object.entries(patterns).map(([pattern, part]) => {
      const compiled = compilePattern(pattern)
      return { part: copy(part), holds: (key: string) => typeof compiled !== "string" && compiled.test(key) }
    })
    const matching = keys.flatMap((key): [string, unknown][] => {
      spend(all.length)
      const parts = all.filter(({ holds }) => holds(key)).map(({ part }) => part)
      if (parts.length === 0) return []
      return [[key, { allOf: Object.hasOwn(own, key) ? [own[key], ...parts] : parts }]]
    })
    return { ...own, ...Object.fromEntries(matching) }
  }
  /** The validator reads `$ref` of each schema that it visits. */
  const counting = (schema: Schema): Schema => {
    const { $ref, properties, required, enum: values, uniqueItems } = schema
    const cost =
      1 +
      (Array.isArray(required) ? required.length : 0) +
      (isObject(properties) ? Object.keys(properties).length / VALUES_PER_STEP : 0) +
      (Array.isArray(values) ? values.length / VALUES_PER_STEP : 0) +
      (uniqueItems === true ? longest ** 2 / PAIRS_PER_STEP : 0)
    return Object.defineProperty(schema, "$ref", {
      enumerable: true,
      get: () => {
        spend(cost)
        return $ref
      },
    })
  }
  return copy(root)
}

function isSafeFormat(name: string): boolean {
  return Object.hasOwn(format, name) && !UNSAFE_FORMATS.includes(name)
}

/** Where a reference stands that leads nowhere, or out of the schema; null if there is none. */
function unresolved(schema: Schema): string[] | null {
  const copy: unknown = structuredClone(schema)
  const known = dereference(copy as Node)
  const find = (node: unknown, path: string[]): string[] | null => {
    if (typeof node !== "object" || node === null) return null
    const { $ref, __absolute_ref__: target } = node as { $ref?: unknown; __absolute_ref__?: string }
    if (typeof $ref === "string" && target !== undefined && known[target] === undefined) return path
    for (const [key, part] of Object.entries(node)) {
      const found = find(part, [...path, key])
      if (found) return found
    }
    return null
  }
  return find(copy, [])
}

/** The names of all properties in a value, and the length of the longest list. */
function measure(value: unknown): { keys: string[]; longest: number } {
  const keys = new Set<string>()
  let longest = 0
  const look = (part: unknown): void => {
    if (typeof part !== "object" || part === null) return
    if (Array.isArray(part)) longest = Math.max(longest, part.length)
    else for (const key of Object.keys(part)) keys.add(key)
    for (const inner of Object.values(part)) look(inner)
  }
  look(value)
  return { keys: [...keys], longest }
}

function draftOf(schema: Schema) {
  const named = typeof schema.$schema === "string" ? schema.$schema : ""
  return DRAFTS.find(([mark]) => named.includes(mark))?.[1] ?? "2020-12"
}
