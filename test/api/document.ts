import { type Schema, Validator } from "@cfworker/json-schema"

import type { World } from "../support/world.ts"

type Json = Record<string, unknown>

export interface Operation extends Json {
  operationId?: string
  security?: object[]
  tags?: string[]
  parameters?: { name: string; in: string; required?: boolean; schema: Json }[]
  requestBody?: { content?: Record<string, { schema: Json }> }
  responses: Record<string, { content?: Record<string, { schema: Json }> }>
}

export interface Document {
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, Json> }
}

let read: Promise<Document> | undefined

/** Our own OpenAPI document, which is the same in every world. */
export function documentOf(world: World): Promise<Document> {
  read ??= world.fetch("/openapi.json").then((response) => response.json<Document>())
  return read
}

/** The operation that a request means: a literal segment goes before a parameter. */
export function findOperation(document: Document, method: string, path: string): Operation | null {
  const segments = path.replace(/[?#].*/, "").split("/")
  const fits = (template: string) => {
    const parts = template.split("/")
    return parts.length === segments.length && parts.every((p, n) => p.startsWith("{") || p === segments[n])
  }
  const parameters = (template: string) => template.split("{").length
  const [template] = Object.keys(document.paths)
    .filter((one) => fits(one) && document.paths[one]?.[method.toLowerCase()])
    .toSorted((a, b) => parameters(a) - parameters(b))
  return template === undefined ? null : (document.paths[template]?.[method.toLowerCase()] ?? null)
}

/** Throws when the status, the body or a field of it is not what the document says of the operation. */
export async function checkAnswer(
  world: World,
  method: string,
  path: string,
  response: Response,
): Promise<void> {
  const document = await documentOf(world)
  const name = `${method.toUpperCase()} ${path}: ${response.status}`
  const operation = findOperation(document, method, path)
  if (!operation) throw new Error(`${name}: no such operation in the document`)
  const declared = operation.responses[response.status]
  if (!declared) throw new Error(`${name}: a status that the document does not name`)
  const text = await response.text()
  const schema = declared.content?.["application/json"]?.schema
  if (!schema) {
    if (text !== "" && !declared.content) throw new Error(`${name}: a body that the document does not name`)
    return
  }
  const { valid, errors } = new Validator(
    { ...closed(schema), components: componentsOf(document) } as Schema,
    "2020-12",
    false,
  ).validate(JSON.parse(text))
  if (!valid) throw new Error(`${name}: ${JSON.stringify(errors.slice(-3))} in ${text.slice(0, 2000)}`)
}

const closedComponents = new WeakMap<Document, Json>()

function componentsOf(document: Document): Json {
  const known = closedComponents.get(document)
  if (known) return known
  // A component is closed where it is used; within it, its fields are.
  const schemas = Object.fromEntries(
    Object.entries(document.components.schemas).map(([name, schema]) => [name, closedInside(schema)]),
  )
  const components = { schemas }
  closedComponents.set(document, components)
  return components
}

/** The schema as it is, except that an object may have no field that it does not name. */
function closed(schema: Json): Json {
  const inside = closedInside(schema)
  const isObject = "$ref" in schema || "properties" in schema || "allOf" in schema
  return isObject ? { ...inside, unevaluatedProperties: false } : inside
}

function closedInside(schema: Json): Json {
  const result: Json = { ...schema }
  const all = (value: unknown, of: (schema: Json) => Json) => (value as Json[]).map(of)
  if (schema.properties) {
    result.properties = Object.fromEntries(
      Object.entries(schema.properties as Record<string, Json>).map(([name, one]) => [name, closed(one)]),
    )
  }
  if (schema.items) result.items = closed(schema.items as Json)
  if (schema.anyOf) result.anyOf = all(schema.anyOf, closed)
  if (schema.oneOf) result.oneOf = all(schema.oneOf, closed)
  if (schema.allOf) result.allOf = all(schema.allOf, closedInside)
  return result
}
