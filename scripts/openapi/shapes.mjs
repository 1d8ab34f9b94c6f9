/** What two schemas say differently of the same value: types, required fields, limits. */

/** Limits as their keywords name them; a keyword that is missing sets none. */
const LIMITS = [
  "minimum",
  "maximum",
  "minLength",
  "maxLength",
  "minItems",
  "maxItems",
  "pattern",
  "format",
  "uniqueItems",
]

/** Schemas of both documents that have been compared by name, so that each is once. */
const compared = new Set()

/** Which statuses only one of the two has. */
export function statusesOf(theirs, ours) {
  const only = (these, those) => Object.keys(these).filter((status) => !(status in those))
  return { missing: only(theirs, ours), added: only(ours, theirs) }
}

/**
 * The differences between two schemas, each with its place: a component, or `at` within the operation. A
 * component that both call by the same name is compared once.
 */
export function* compareSchemas(at, theirs, ours, where) {
  const [theirName, ownName] = [nameOf(theirs.schema), nameOf(ours.schema)]
  const [a, b] = [flatten(theirs), flatten(ours)]
  if (theirName !== null) {
    if (ownName !== null && ownName !== theirName) {
      yield { where, text: `${at} is ${ownName}, not ${theirName}` }
    }
    const pair = `${theirName} ${ownName}`
    if (compared.has(pair)) return
    if (ownName === theirName) {
      compared.add(pair)
      where = theirName
      at = ""
    }
  }
  yield* compareFlat(at, { ...theirs, schema: a }, { ...ours, schema: b }, where)
}

function* compareFlat(at, theirs, ours, where) {
  const [a, b] = [theirs.schema, ours.schema]
  const differs = (text) => ({ where, text: `${at ? `${at} ` : ""}${text}` })
  if (a.types.join() !== b.types.join())
    yield differs(`is ${b.types.join(" or ")}, not ${a.types.join(" or ")}`)
  if (a.enum.join() !== b.enum.join())
    yield differs(`is one of ${b.enum.join(", ")}, not of ${a.enum.join(", ")}`)
  for (const limit of LIMITS) {
    if (a[limit] === b[limit]) continue
    yield differs(`has ${limit} ${b[limit] ?? "not set"}, not ${a[limit] ?? "not set"}`)
  }
  if (JSON.stringify(a.default) !== JSON.stringify(b.default)) {
    yield differs(`has the default ${JSON.stringify(b.default)}, not ${JSON.stringify(a.default)}`)
  }
  const inside = (name) => (at ? `${at}.${name}` : name)
  for (const name of Object.keys(a.properties)) {
    if (!(name in b.properties)) yield { where, text: `${inside(name)} is missing` }
    else {
      if (a.required.includes(name) !== b.required.includes(name)) {
        yield { where, text: `${inside(name)} is ${b.required.includes(name) ? "" : "not "}required` }
      }
      yield* compareSchemas(
        inside(name),
        { ...theirs, schema: a.properties[name] },
        { ...ours, schema: b.properties[name] },
        where,
      )
    }
  }
  for (const name of Object.keys(b.properties)) {
    if (!(name in a.properties)) yield { where, text: `${inside(name)} is our own` }
  }
  for (const [keyword, suffix] of Object.entries({ items: "[]", additionalProperties: "{}" })) {
    if (isObject(a[keyword]) && isObject(b[keyword])) {
      yield* compareSchemas(
        `${at}${suffix}`,
        { ...theirs, schema: a[keyword] },
        { ...ours, schema: b[keyword] },
        where,
      )
    } else if (
      isObject(a[keyword]) !== isObject(b[keyword]) &&
      Object.keys(a[keyword] ?? b[keyword]).length > 0
    ) {
      yield differs(`${keyword} differs`)
    }
  }
}

function isObject(value) {
  return typeof value === "object" && value !== null
}

function nameOf(schema) {
  if (schema?.$ref) return schema.$ref.split("/").at(-1)
  const others = (schema?.anyOf ?? schema?.oneOf ?? schema?.allOf ?? []).filter(({ type }) => type !== "null")
  return others.length === 1 ? nameOf(others[0]) : null
}

/**
 * One flat schema of what OpenAPI 3.0 and 3.1 write in different ways: $ref, allOf, nullable, null as a type.
 */
function flatten({ document, schema }) {
  const flat = { types: [], enum: [], properties: {}, required: [] }
  add(flat, document, schema ?? {})
  flat.types = [...new Set(flat.types)].sort()
  flat.enum = [...new Set(flat.enum)].sort()
  return flat
}

function add(flat, document, schema) {
  if (schema.$ref) add(flat, document, document.components.schemas[nameOf(schema)])
  for (const part of [...(schema.allOf ?? []), ...(schema.anyOf ?? []), ...(schema.oneOf ?? [])]) {
    add(flat, document, part)
  }
  flat.types.push(...[schema.type ?? []].flat(), ...(schema.nullable ? ["null"] : []))
  flat.enum.push(...(schema.enum ?? []), ...("const" in schema ? [schema.const] : []))
  flat.enum = flat.enum.filter((value) => value !== null)
  Object.assign(flat.properties, schema.properties)
  flat.required.push(...(schema.required ?? []))
  for (const keyword of [...LIMITS, "default", "items", "additionalProperties"]) {
    if (schema[keyword] !== undefined) flat[keyword] = schema[keyword]
  }
}
