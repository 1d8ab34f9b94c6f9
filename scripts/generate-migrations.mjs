// npm run db:generate [-- --name what_it_does]: the migration that leads to the tables in src/db/schema and in the
// schema.ts of each family, by drizzle-kit, with `WITHOUT ROWID` where drizzle-kit cannot know it. CI passes --out, to
// see that nothing is left to generate.
import { execFileSync } from "node:child_process"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { parseArgs } from "node:util"

/** Tables whose rows are short and found by their key alone: one row written for each instead of two. */
const WITHOUT_ROWID = [
  "attempts",
  "deliveries",
  "endpoint_hours",
  "event_types",
  "secrets",
  "subscriptions",
  "system_state",
]

const { values } = parseArgs({
  options: {
    name: { type: "string" },
    out: { type: "string", default: "migrations" },
    custom: { type: "boolean" },
  },
})

const settings = [
  "--dialect=sqlite",
  "--casing=snake_case",
  "--schema=src/{db/schema/*,families/*/schema}.ts",
  `--out=${values.out}`,
]
const named = values.name === undefined ? [] : [`--name=${values.name}`]
const custom = values.custom ? ["--custom"] : []
execFileSync("drizzle-kit", ["generate", ...settings, ...named, ...custom], { stdio: "inherit" })

for (const file of readdirSync(values.out)) {
  if (!file.endsWith(".sql")) continue
  const path = join(values.out, file)
  writeFileSync(path, withoutRowid(readFileSync(path, "utf8")))
}

/** A table that is changed in ways that SQLite has no words for is made anew, as `__new_<name>`. */
function withoutRowid(sql) {
  const table = new RegExp(
    `(CREATE TABLE \`(?:__new_)?(?:${WITHOUT_ROWID.join("|")})\` \\(\n[^;]*\n\\));`,
    "g",
  )
  return sql.replace(table, "$1 WITHOUT ROWID;")
}
