// Holds our OpenAPI document against Svix's:
//   node scripts/compare-openapi.mjs svix-openapi.json [URL or file of ours; http://127.0.0.1:8787/openapi.json]
// Prints each difference with its explanation. Ends with 1 if one has none.
import { readFileSync } from "node:fs"

import { explain, HIDDEN, unused } from "./openapi/explanations.mjs"
import { compareSchemas, statusesOf } from "./openapi/shapes.mjs"

const METHODS = ["get", "put", "post", "delete", "patch", "head"]

const [theirsAt, oursAt = "http://127.0.0.1:8787/openapi.json"] = process.argv.slice(2)
if (theirsAt === undefined) {
  console.error("usage: node scripts/compare-openapi.mjs svix-openapi.json [URL or file of ours]")
  process.exit(2)
}
const theirs = await read(theirsAt)
const ours = await read(oursAt)

const differences = []
const differ = (place, text) => differences.push({ place, text, why: explain(place, text) })

let compared = 0
for (const [path, item] of Object.entries(theirs.paths)) {
  for (const method of METHODS.filter((one) => item[one])) {
    compared++
    const place = `${method.toUpperCase()} ${path}`
    const own = ours.paths[path]?.[method]
    if (own === undefined) differ(place, "the operation is missing")
    else compareOperation(place, item[method], own)
  }
}
for (const [path, item] of Object.entries(ours.paths)) {
  if (!path.startsWith("/api/v1/")) continue
  for (const method of METHODS.filter((one) => item[one] && !theirs.paths[path]?.[one])) {
    differ(`${method.toUpperCase()} ${path}`, "an operation of our own")
  }
}

for (const { place, text, why } of differences) {
  console.log(`${why === null ? "UNEXPLAINED " : ""}${place}: ${text}${why === null ? "" : `\n    ${why}`}`)
}
for (const [component, field, why] of HIDDEN) {
  const named = [theirs, ours].some(({ components }) => components.schemas[component].properties?.[field])
  const says = named ? "is not hidden any more" : "is taken, which neither document names"
  console.log(`${component}: ${field} ${says}\n    ${why}`)
}
for (const rule of unused()) console.log(`An explanation that explains nothing: ${rule}`)
const open = differences.filter(({ why }) => why === null).length
console.log(`${compared} operations compared, ${differences.length} differences, ${open} unexplained`)
process.exit(open === 0 ? 0 : 1)

async function read(from) {
  try {
    if (!/^https?:/.test(from)) return JSON.parse(readFileSync(from, "utf8"))
    const response = await fetch(from)
    if (!response.ok) throw new Error(`it answers ${response.status}`)
    return await response.json()
  } catch (error) {
    console.error(
      `Cannot read ${from}: ${error.cause?.message ?? error.message}. Is the system up (npm start)?`,
    )
    process.exit(2)
  }
}

function compareOperation(place, theirOperation, ownOperation) {
  if ((theirOperation.operationId ?? null) !== (ownOperation.operationId ?? null)) {
    differ(place, `operationId is ${ownOperation.operationId}, not ${theirOperation.operationId}`)
  }
  if (theirOperation.tags?.join() !== ownOperation.tags?.join()) {
    differ(place, `tags are ${ownOperation.tags}, not ${theirOperation.tags}`)
  }
  compareParameters(place, theirOperation.parameters ?? [], ownOperation.parameters ?? [])
  compareBodies(place, theirOperation.requestBody, ownOperation.requestBody)
  compareAnswers(place, theirOperation.responses, ownOperation.responses)
}

function compareParameters(place, theirParameters, ownParameters) {
  const nameOf = (parameter) => `${parameter.in} ${parameter.name}`
  const own = new Map(ownParameters.map((parameter) => [nameOf(parameter), parameter]))
  for (const parameter of theirParameters) {
    const name = nameOf(parameter)
    const found = own.get(name)
    own.delete(name)
    if (!found) {
      differ(place, `the parameter ${name} is missing`)
      continue
    }
    if ((parameter.required ?? false) !== (found.required ?? false)) {
      differ(place, `the parameter ${name} is ${found.required ? "" : "not "}required`)
    }
    compare(place, name, parameter.schema, found.schema)
  }
  for (const name of own.keys()) differ(place, `the parameter ${name} is our own`)
}

function compareBodies(place, theirBody, ownBody) {
  const schemaOf = (body) => body?.content?.["application/json"]?.schema
  if (!theirBody !== !ownBody) {
    differ(place, theirBody ? "the request body is missing" : "the request body is our own")
    return
  }
  if (!theirBody) return
  if ((theirBody.required ?? false) !== (ownBody.required ?? false)) {
    differ(place, `the request body is ${ownBody.required ? "" : "not "}required`)
  }
  compare(place, "request", schemaOf(theirBody), schemaOf(ownBody))
}

function compareAnswers(place, theirAnswers, ownAnswers) {
  const { missing, added } = statusesOf(theirAnswers, ownAnswers)
  for (const status of missing) differ(place, `the status ${status} is missing`)
  for (const status of added) differ(place, `the status ${status} is our own`)
  for (const [status, answer] of Object.entries(theirAnswers)) {
    const schema = answer.content?.["application/json"]?.schema
    const own = ownAnswers[status]?.content?.["application/json"]?.schema
    if (!ownAnswers[status]) continue
    if (!schema !== !own) differ(place, `the body of ${status} is ${own ? "our own" : "missing"}`)
    else if (schema) compare(place, status, schema, own)
  }
}

function compare(place, at, theirSchema, ownSchema) {
  const inTheirs = { document: theirs, schema: theirSchema }
  const inOurs = { document: ours, schema: ownSchema }
  for (const { where, text } of compareSchemas(at, inTheirs, inOurs)) differ(where ?? place, text)
}
