import { type SQL, sql } from "drizzle-orm"

import { literal } from "../../db/literal.ts"
import type { Template } from "../../platform/wire.ts"

/** The JSON that a template becomes with these facts, as an expression; its fields keep their order. */
export function fillIn<Fact extends string>(
  template: Template<Fact>,
  facts: Readonly<Record<Fact, SQL>>,
): SQL {
  // A patch leaves out what is null, and does so within its objects too.
  return sql`json_patch('{}', ${objectOf(template, facts)})`
}

function objectOf<Fact extends string>(template: Template<Fact>, facts: Readonly<Record<Fact, SQL>>): SQL {
  const fields = Object.entries(template).map(
    ([field, value]) => sql`${field}, ${expressionOf(value, facts)}`,
  )
  return sql`json_object(${sql.join(fields, sql`, `)})`
}

function expressionOf<Fact extends string>(
  value: Template<Fact>[string],
  facts: Readonly<Record<Fact, SQL>>,
): SQL {
  if (typeof value === "string") return facts[value]
  if (!isPair(value)) return objectOf(value, facts)
  const [fact, orElse] = value
  return sql`coalesce(${facts[fact]}, ${literal(orElse)})`
}

/** By itself Array.isArray tells no readonly array apart. */
function isPair<Fact extends string>(
  value: Exclude<Template<Fact>[string], string>,
): value is readonly [Fact, number] {
  return Array.isArray(value)
}
