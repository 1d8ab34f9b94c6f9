import { isObject } from "../rules/json.ts"
import { compilePattern } from "./patterns.ts"

/** A JSON schema as an event type keeps it, one a version. */
export type Schema = Record<string, unknown>

/** What is wrong with a schema: where, as the keys and indexes that lead there, and what to change. */
export interface Flaw {
  path: string[]
  message: string
}

/** Schemas within a schema. */
const MAX_NODES = 2_000
const MAX_PATTERNS = 100
const TYPES = ["null", "boolean", "object", "array", "number", "integer", "string"]

type Check = (value: unknown) => string | null

const is =
  (holds: (value: unknown) => boolean, message: string): Check =>
  (value) =>
    holds(value) ? null : message

const isText = (value: unknown) => typeof value === "string"
const isCount = (value: unknown) => Number.isInteger(value) && (value as number) >= 0
const isNumber = (value: unknown) => typeof value === "number"
const isTexts = (value: unknown) => Array.isArray(value) && value.every(isText)
const isType = (value: unknown) => TYPES.includes(value as string)

const text = is(isText, "must be a string")
const count = is(isCount, "must be a whole number from 0 on")
const number = is(isNumber, "must be a number")
const flag = is((value) => typeof value === "boolean", "must be true or false")
const texts = is(isTexts, "must be a list of strings")
// Draft 4 has a flag beside the limit where the later drafts have a limit of its own.
const exclusive = is((value) => isNumber(value) || typeof value === "boolean", "must be a number")

/** What each keyword takes that holds no schema, in the drafts from 4 to 2020-12 (their metaschemas). */
const VALUES: Readonly<Record<string, Check>> = {
  $schema: text,
  $id: text,
  id: text,
  $anchor: text,
  $ref: text,
  $dynamicRef: text,
  $comment: text,
  title: text,
  description: text,
  format: text,
  type: is(
    (value) => isType(value) || (Array.isArray(value) && value.length > 0 && value.every(isType)),
    `must be one of ${TYPES.join(", ")}, or a list of them`,
  ),
  enum: is(Array.isArray, "must be a list"),
  multipleOf: is((value) => isNumber(value) && (value as number) > 0, "must be a number greater than 0"),
  maximum: number,
  minimum: number,
  exclusiveMaximum: exclusive,
  exclusiveMinimum: exclusive,
  maxLength: count,
  minLength: count,
  maxItems: count,
  minItems: count,
  maxContains: count,
  minContains: count,
  maxProperties: count,
  minProperties: count,
  uniqueItems: flag,
  readOnly: flag,
  writeOnly: flag,
  deprecated: flag,
  required: texts,
  examples: is(Array.isArray, "must be a list"),
  dependentRequired: is(
    (value) => isObject(value) && Object.values(value).every(isTexts),
    "must be an object of lists of strings",
  ),
  pattern: (value) => (typeof value === "string" ? patternFlaw(value) : "must be a string"),
}

const ONE = [
  "not",
  "if",
  "then",
  "else",
  "contains",
  "propertyNames",
  "additionalItems",
  "additionalProperties",
]
const MORE = ["unevaluatedItems", "unevaluatedProperties", "contentSchema"]
const LISTS = ["allOf", "anyOf", "oneOf", "prefixItems"]
const MAPS = ["$defs", "definitions", "properties", "patternProperties", "dependentSchemas"]

/** The keywords whose value is one schema, a list of schemas, or schemas by name. */
export const HOLDING = { one: new Set([...ONE, ...MORE]), list: new Set(LISTS), map: new Set(MAPS) }

/**
 * What keeps a schema from being applied, the first of it: values that its draft does not allow,
 * patterns that cannot be matched in linear time, more parts than are looked at. None: it can be.
 * References are not followed.
 */
export function flawsOf(schema: unknown): Flaw[] {
  const flaws: Flaw[] = []
  let nodes = 0
  let patterns = 0
  const walk = (value: unknown, path: string[]): void => {
    const add = (message: string, ...more: string[]) => flaws.push({ path: [...path, ...more], message })
    if (typeof value === "boolean" || flaws.length > 0) return
    if (!isObject(value)) {
      add("must be a schema: an object, or true or false")
      return
    }
    if (++nodes > MAX_NODES) add(`A schema has at most ${MAX_NODES} schemas within it`)
    for (const [key, part] of Object.entries(value)) {
      const message = Object.hasOwn(VALUES, key) ? VALUES[key]?.(part) : null
      if (message) add(message, key)
      if (key === "pattern") patterns++
      if (key === "patternProperties" && isObject(part)) {
        for (const pattern of Object.keys(part)) {
          patterns++
          const flaw = patternFlaw(pattern)
          if (flaw) add(flaw, key, pattern)
        }
      }
      if (patterns > MAX_PATTERNS) add(`A schema has at most ${MAX_PATTERNS} patterns`, key)
      if (flaws.length > 0) return
      if (HOLDING.one.has(key)) walk(part, [...path, key])
      else if (HOLDING.list.has(key)) walkList(part, [...path, key])
      else if (HOLDING.map.has(key)) walkMap(part, [...path, key])
      else if (key === "items" && Array.isArray(part)) walkList(part, [...path, key])
      else if (key === "items") walk(part, [...path, key])
      else if (key === "dependencies") walkDependencies(part, [...path, key])
    }
  }
  const walkList = (list: unknown, path: string[]) => {
    if (!Array.isArray(list)) flaws.push({ path, message: "must be a list of schemas" })
    else for (const [index, part] of list.entries()) walk(part, [...path, String(index)])
  }
  const walkMap = (map: unknown, path: string[]) => {
    if (!isObject(map)) flaws.push({ path, message: "must be an object of schemas" })
    else for (const [name, part] of Object.entries(map)) walk(part, [...path, name])
  }
  const walkDependencies = (map: unknown, path: string[]) => {
    if (!isObject(map)) flaws.push({ path, message: "must be an object" })
    else for (const [name, part] of Object.entries(map)) if (!isTexts(part)) walk(part, [...path, name])
  }
  walk(schema, [])
  return flaws.slice(0, 1)
}

function patternFlaw(pattern: string): string | null {
  const compiled = compilePattern(pattern)
  return typeof compiled === "string" ? compiled : null
}
