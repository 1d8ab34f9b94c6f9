import { isObject } from "../rules/json.ts"
import type { Schema } from "./schema-flaws.ts"

const MAX_DEPTH = 16
/** Characters of an example, about: as many as a payload can have. */
const MAX_SIZE = 256 * 1024

/**
 * An example of what a schema describes: the one that it gives (`examples`, `example`, `default`), else the
 * smallest thing that has the right shape. Undefined if the schema describes nothing that can be made.
 */
export function exampleOf(schema: Schema): unknown {
  return make(schema, { schema, left: MAX_SIZE }, 0)
}

/** The whole schema, and what may still be made: one that refers to itself twice describes ever more. */
interface Root {
  schema: Schema
  left: number
}

function make(schema: unknown, root: Root, depth: number): unknown {
  if (!isObject(schema) || depth > MAX_DEPTH || root.left <= 0) return undefined
  root.left--
  for (const given of [
    first(schema.examples),
    schema.example,
    schema.default,
    schema.const,
    first(schema.enum),
  ]) {
    if (given === undefined) continue
    root.left -= JSON.stringify(given).length
    return root.left < 0 ? undefined : given
  }
  if (typeof schema.$ref === "string") return make(follow(schema.$ref, root.schema), root, depth + 1)
  if (Array.isArray(schema.allOf)) {
    const parts = [{ ...schema, allOf: undefined }, ...schema.allOf].map((part) =>
      make(part, root, depth + 1),
    )
    return parts.every((part) => part === undefined || isObject(part))
      ? Object.fromEntries(parts.flatMap((part) => Object.entries(part ?? {})))
      : parts.find((part) => part !== undefined)
  }
  const choice = first(schema.oneOf) ?? first(schema.anyOf)
  if (choice !== undefined) return make(choice, root, depth + 1)
  switch (first(schema.type) ?? schema.type ?? (isObject(schema.properties) ? "object" : undefined)) {
    case "object":
      return makeObject(schema, root, depth)
    case "array":
      return makeArray(schema, root, depth)
    case "string":
      return makeString(schema)
    case "integer":
    case "number":
      return makeNumber(schema)
    case "boolean":
      return true
    case "null":
      return null
    default:
      return undefined
  }
}

/** With all properties described: a person looks at it. Those that cannot be made are left out. */
function makeObject(schema: Schema, root: Root, depth: number): unknown {
  const properties = isObject(schema.properties) ? schema.properties : {}
  return Object.fromEntries(
    Object.entries(properties).flatMap(([name, property]) => {
      const value = make(property, root, depth + 1)
      return value === undefined ? [] : [[name, value]]
    }),
  )
}

function makeArray(schema: Schema, root: Root, depth: number): unknown {
  const length = Math.min(Math.max(numberOr(schema.minItems, 1), 1), 10)
  const items = Array.from({ length }, () => make(schema.items, root, depth + 1))
  return items.filter((item) => item !== undefined)
}

const FORMATS: ReadonlyMap<unknown, string> = new Map([
  ["date-time", "2026-01-15T12:00:00Z"],
  ["date", "2026-01-15"],
  ["time", "12:00:00Z"],
  ["email", "name@example.com"],
  ["hostname", "example.com"],
  ["ipv4", "192.0.2.1"],
  ["ipv6", "2001:db8::1"],
  ["uri", "https://example.com/"],
  ["uuid", "00000000-0000-4000-8000-000000000000"],
])

function makeString(schema: Schema): string {
  const text = FORMATS.get(schema.format) ?? "string"
  const filled = text.padEnd(Math.min(numberOr(schema.minLength, 0), 1024), "x")
  return filled.slice(0, numberOr(schema.maxLength, filled.length))
}

function makeNumber(schema: Schema): number {
  const least = numberOr(schema.minimum, numberOr(schema.exclusiveMinimum, -1) + 1)
  return Math.min(least, numberOr(schema.maximum, least))
}

/** A part of the same schema, as `#/$defs/name` points at it. */
function follow(reference: string, root: Schema): unknown {
  if (!reference.startsWith("#")) return undefined
  return reference
    .slice(1)
    .split("/")
    .slice(1)
    .map((part) => decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~"))
    .reduce<unknown>(
      (part, key) => (isObject(part) && Object.hasOwn(part, key) ? part[key] : undefined),
      root,
    )
}

function first(list: unknown): unknown {
  return Array.isArray(list) ? list[0] : undefined
}

function numberOr(value: unknown, otherwise: number): number {
  return typeof value === "number" ? value : otherwise
}
