import { beforeEach, describe, expect, it } from "vitest"

import { exampleOf } from "../../src/engine/event-types/example.ts"
import { flawOf, misfit } from "../../src/engine/event-types/schema.ts"
import type { Schema } from "../../src/engine/event-types/schema-flaws.ts"
import { pace } from "../support/pace.ts"
import { createWorld, type World } from "../support/world.ts"

const type = (schema: unknown, more: object = {}) => ({
  name: "t",
  description: "",
  enforceSchema: true,
  schemas: { "1": { type: "object" }, "2": schema },
  ...more,
})

/** Times the pace of the machine: some seconds on an ordinary one. */
const SECONDS = 500

let world: World

beforeEach(async () => {
  world = await createWorld()
  await world.fetch("/api/v1/app", { json: { name: "Acme", uid: "acme" } })
})

const write = (schema: unknown) => world.fetch("/api/v1/event-type", { json: type(schema) })
const send = (payload: object) => world.fetch("/api/v1/app/acme/msg", { json: { eventType: "t", payload } })

/** Milliseconds that work takes, by the wall: the isolate's own clock may stand still. */
async function timed(work: () => Promise<unknown> | unknown): Promise<number> {
  const started = performance.now()
  await work()
  return performance.now() - started
}

const BAD: [schema: unknown, ...loc: string[]][] = [
  [{ type: "nonsense" }, "type"],
  [{ type: [] }, "type"],
  [{ type: ["string", "text"] }, "type"],
  [
    { properties: { a: { properties: { b: { type: "str" } } } } },
    "properties",
    "a",
    "properties",
    "b",
    "type",
  ],
  [{ properties: [] }, "properties"],
  [{ properties: { a: 5 } }, "properties", "a"],
  [{ required: "a" }, "required"],
  [{ required: [1] }, "required"],
  [{ items: 5 }, "items"],
  [{ items: [{ type: "string" }, { type: 1 }] }, "items", "1", "type"],
  [{ minLength: "1" }, "minLength"],
  [{ minLength: -1 }, "minLength"],
  [{ minItems: 1.5 }, "minItems"],
  [{ maximum: "1" }, "maximum"],
  [{ multipleOf: 0 }, "multipleOf"],
  [{ enum: "a" }, "enum"],
  [{ allOf: {} }, "allOf"],
  [{ anyOf: [{ type: "x" }] }, "anyOf", "0", "type"],
  [{ not: 5 }, "not"],
  [{ additionalProperties: "no" }, "additionalProperties"],
  [{ $defs: { unused: { type: "x" } } }, "$defs", "unused", "type"],
  [{ dependencies: { a: 5 } }, "dependencies", "a"],
  [{ dependentRequired: { a: "b" } }, "dependentRequired"],
  [{ uniqueItems: "yes" }, "uniqueItems"],
  [{ format: 5 }, "format"],
  [{ $ref: 5 }, "$ref"],
  [{ $ref: "#/$defs/nowhere" }, "$ref"],
  [{ properties: { a: { $ref: "https://schemas.example/a" } } }, "properties", "a", "$ref"],
  [{ $ref: "#" }],
  [{ allOf: [{ $ref: "#" }] }],
  [{ pattern: "(" }, "pattern"],
  [{ pattern: "(?=a)b" }, "pattern"],
  [{ pattern: "(a)\\1" }, "pattern"],
  [{ pattern: "((a{1,30}){1,30}){1,30}" }, "pattern"],
  [{ patternProperties: { "(?!a)": {} } }, "patternProperties", "(?!a)"],
]

describe("a schema that cannot be applied", () => {
  it.each(BAD)("is refused when it is written, and the place is named: %j", async (schema, ...loc) => {
    const refusals = [
      await write(schema),
      await world.fetch("/api/v1/event-type/t", { method: "PUT", json: type(schema) }),
      await world.fetch("/api/v1/event-type/t", { method: "PATCH", json: type(schema) }),
    ]
    for (const refusal of refusals) {
      expect(refusal.status).toBe(422)
      const { detail } = await refusal.json<{ detail: { loc: string[]; msg: string }[] }>()
      expect(detail.map((issue) => issue.loc)).toEqual([["body", "schemas", "2", ...loc]])
      expect(detail[0]?.msg).toMatch(/\w+ \w+/)
    }
    expect((await world.fetch("/api/v1/event-type/t")).status).toBe(404)
  })

  it.each<[string, unknown, string[]]>([
    ["too many parts", { allOf: Array(2001).fill({}) }, ["allOf", "1999"]],
    ["too many patterns", { allOf: Array(101).fill({ pattern: "a" }) }, ["allOf", "100", "pattern"]],
  ])("has %s, and is refused", async (_, schema, loc) => {
    const refusal = await write(schema)
    expect(refusal.status).toBe(422)
    const { detail } = await refusal.json<{ detail: { loc: string[] }[] }>()
    expect(detail.map((issue) => issue.loc)).toEqual([["body", "schemas", "2", ...loc]])
  })

  it("does not stop messages where it has been written before that was checked", async () => {
    await write({ type: "object" })
    for (const schema of [
      { type: "nonsense" },
      { pattern: "^(a+)+$", properties: { x: { pattern: "(?=a)" } } },
    ]) {
      const schemas = JSON.stringify({ "1": schema })
      await world.customersDB
        .prepare("UPDATE event_types SET schemas = ? WHERE name = 't'")
        .bind(schemas)
        .run()
      expect((await send({ x: "a" })).status).toBe(202)
    }
  })
})

const GOOD: [schema: Schema, fits: unknown[], fitsNot: unknown[]][] = [
  [{ properties: { a: { pattern: "^(a+)+$" } } }, [{ a: "aaa" }, { a: 1 }, {}], [{ a: "aab" }, { a: "" }]],
  [{ properties: { a: { pattern: "\\d{4}-\\u0041" } } }, [{ a: "x 2026-A" }], [{ a: "2026-B" }]],
  [{ properties: { a: { pattern: "^\\p{L}+$" } } }, [{ a: "Žofie" }], [{ a: "a1" }]],
  [
    { patternProperties: { "^n_": { type: "number" }, _s$: { maximum: 5 } }, additionalProperties: false },
    [{ n_a: 1 }, { a_s: "x" }, {}],
    [{ n_a: "1" }, { other: 1 }, { n_s: 6 }],
  ],
  [
    { properties: { n_a: { minimum: 3 } }, patternProperties: { "^n_": { maximum: 5 } } },
    [{ n_a: 4 }, { n_b: 1 }],
    [{ n_a: 2 }, { n_a: 6 }, { n_b: 6 }],
  ],
  [
    { properties: { list: { items: { pattern: "^[ab]$", allOf: [{ minLength: 1 }] } } } },
    [{ list: ["a", "b"] }],
    [{ list: ["a", "c"] }],
  ],
  [{ properties: { list: { uniqueItems: true } } }, [{ list: [1, 2] }], [{ list: [{ a: 1 }, { a: 1 }] }]],
  [{ additionalProperties: { enum: [1, "a", null] } }, [{ x: 1, y: null }], [{ x: 2 }]],
  [
    {
      $ref: "#/$defs/tree",
      $defs: {
        tree: { type: "object", properties: { left: { $ref: "#/$defs/tree" }, n: { type: "integer" } } },
      },
    },
    [{ left: { left: { n: 1 } } }],
    [{ left: { left: { n: 1.5 } } }],
  ],
  [
    {
      $schema: "http://json-schema.org/draft-07/schema#",
      definitions: { a: { type: "string" } },
      properties: { list: { items: [{ $ref: "#/definitions/a" }], additionalItems: false } },
      dependencies: { a: ["b"], c: { required: ["d"] } },
    },
    [{ list: ["a"] }, { a: 1, b: 1 }, { c: 1, d: 1 }],
    [{ list: [1] }, { list: ["a", 1] }, { a: 1 }, { c: 1 }],
  ],
  [{ properties: { a: { format: "email" } } }, [{ a: "a@b.example" }], [{ a: "a" }]],
  [{ properties: { a: { format: "constructor" }, b: { format: "__proto__" } } }, [{ a: "x", b: "y" }], []],
  [{ anyOf: [{ required: ["a"] }, { required: ["b"] }], unevaluatedProperties: true }, [{ a: 1 }], [{}]],
  [
    { properties: { pattern: { type: "string" }, type: { const: 1 } } },
    [{ pattern: "(", type: 1 }],
    [{ type: 2 }],
  ],
]

describe("a schema that is enforced", () => {
  it.each(GOOD)("takes what fits and refuses what does not: %j", async (schema, fits, fitsNot) => {
    expect((await write({ type: "object", ...schema })).status).toBe(201)
    for (const payload of fits)
      expect([payload, (await send(payload as object)).status]).toEqual([payload, 202])
    for (const payload of fitsNot) {
      const refusal = await send(payload as object)
      expect([payload, refusal.status]).toEqual([payload, 422])
      const { detail } = await refusal.json<{ detail: { loc: string[]; msg: string }[] }>()
      expect(detail[0]?.loc).toEqual(["body", "payload"])
      expect(detail[0]?.msg).toContain("does not fit")
    }
  })
})

const long = (text: string) => text.repeat(Math.floor(250_000 / text.length))
const doubling = Object.fromEntries(
  Array.from({ length: 40 }, (_, n) => {
    const next = { $ref: `#/$defs/d${n + 1}` }
    return [`d${n}`, { allOf: [next, next] }]
  }),
)

it("a misfit is said in a sentence that names the place and the pattern", async () => {
  await write({ type: "object", properties: { a: { type: "string", pattern: "^(a+)+$" } } })
  const { detail } = await (await send({ a: "b" })).json<{ detail: { msg: string }[] }>()
  expect(detail[0]?.msg).toBe(
    `The payload does not fit the schema of 't': #/a: String does not match pattern "^(a+)+$".`,
  )
})

describe("no schema and payload block the isolate", () => {
  it.each<[string, Schema, unknown]>([
    ["an exponential pattern", { properties: { a: { pattern: "^(a+)+$" } } }, { a: `${long("a")}!` }],
    ["a quadratic pattern", { properties: { a: { pattern: "a*b" } } }, { a: long("a") }],
    ["a pattern of names", { patternProperties: { "^(a+)+$": {} } }, { [`${long("a")}!`]: 1 }],
    [
      "a hundred patterns",
      { properties: { a: { allOf: Array(100).fill({ pattern: "(a|b)*c" }) } } },
      { a: long("ab") },
    ],
    [
      "the expression of a format",
      { properties: { a: { format: "url" } } },
      { a: `http://${"a".repeat(50_000)}!` },
    ],
    [
      "a list to compare",
      { properties: { a: { uniqueItems: true } } },
      { a: Array.from({ length: 40_000 }, (_, n) => n) },
    ],
    [
      "values to compare",
      { properties: { a: { items: { enum: Array.from({ length: 20_000 }, (_, n) => -n - 1) } } } },
      { a: Array(40_000).fill(1) },
    ],
    [
      "as many errors as values",
      { additionalProperties: { type: "string" } },
      Object.fromEntries(Array.from({ length: 20_000 }, (_, n) => [`k${n}`, 1])),
    ],
    ["doubling", { $ref: "#/$defs/d0", $defs: { ...doubling, d40: {} } }, {}],
    [
      "doubling at each level",
      { properties: { a: { allOf: [{ $ref: "#" }, { $ref: "#" }] } } },
      JSON.parse(`${'{"a":'.repeat(300)}1${"}".repeat(300)}`),
    ],
    [
      "many branches",
      { properties: { a: { allOf: Array(1900).fill({ additionalProperties: true }) } } },
      { a: Object.fromEntries(Array.from({ length: 20_000 }, (_, n) => [n, 1])) },
    ],
  ])("%s", async (_, schema, payload) => {
    // What an isolate may take is seconds; a backtracking engine would take hours.
    expect(await timed(() => flawOf(schema) ?? misfit(schema, payload))).toBeLessThan(SECONDS * pace())
  })

  it.each([
    "date-time",
    "date",
    "time",
    "duration",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "uri",
    "uri-reference",
    "uri-template",
    "uuid",
    "json-pointer",
  ])("nor does the format %s", async (format) => {
    const longest = SECONDS * pace()
    for (const text of [
      long("a"),
      `a@${long("a")}!`,
      `http://${long("a-")}!`,
      `${long("a.")}@`,
      long("1:"),
      `P${long("1")}`,
      `http://[${long("1:")}`,
      long("/~"),
      long("{a"),
      `http://a${long("%20")}^`,
    ]) {
      expect(await timed(() => misfit({ additionalProperties: { format } }, { text }))).toBeLessThan(longest)
    }
  })

  it.each<[string, Schema]>([
    [
      "a schema of itself",
      {
        type: "object",
        properties: Object.fromEntries(Array.from({ length: 10 }, (_, n) => [`p${n}`, { $ref: "#" }])),
      },
    ],
    ["lists of lists", { type: "array", minItems: 10, items: { $ref: "#" } }],
    [
      "a large default, often",
      {
        type: "object",
        properties: Object.fromEntries(
          Array.from({ length: 1000 }, (_, n) => [`p${n}`, { $ref: "#/$defs/d" }]),
        ),
        $defs: { d: { default: "x".repeat(100_000) } },
      },
    ],
    [
      "formats that are none",
      { type: "object", properties: { a: { type: "string", format: "constructor" } } },
    ],
  ])("an example of %s stays within what a payload can have", async (_, schema) => {
    let length = 0
    expect(await timed(() => (length = JSON.stringify(exampleOf(schema)).length))).toBeLessThan(
      SECONDS * pace(),
    )
    expect(length).toBeLessThan(8 * 1024 * 1024)
  })
})
