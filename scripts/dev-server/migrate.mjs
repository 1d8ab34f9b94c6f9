// The databases on this machine, brought up to date before the system starts.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"

import { passOn, root, runWrangler, shardsOf } from "../wrangler.mjs"

const MIGRATIONS = join(root, "migrations")
/** Where wrangler notes what it has applied, in its own words. */
const NOTES = `CREATE TABLE d1_migrations(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT UNIQUE,
  applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL
);`

/** @typedef {{ "persist-to"?: string, config?: string, env?: string }} Where as `npm start` takes them */

/**
 * Brings every database in a state folder up to date; answers what wrangler printed if it could not.
 * @param {string} state
 * @param {Where} options
 * @param {AbortSignal | undefined} signal
 * @returns {Promise<string | undefined>}
 */
export async function migrate(state, options, signal) {
  const isNew = !existsSync(join(resolve(root, state), "v3/d1"))
  const isOurs = options.config === undefined && options.env === undefined
  const databases = shardsOf(options.config).map(({ binding }) => binding)
  return isNew && isOurs
    ? await withAllMigrations((file) => each(databases, (name) => execute(name, file, options, signal)))
    : await each(databases, (name) => apply(name, options, signal))
}

/**
 * @param {readonly string[]} databases
 * @param {(database: string) => Promise<string | undefined>} work
 */
async function each(databases, work) {
  for (const database of databases) {
    const fault = await work(database)
    if (fault !== undefined) return fault
  }
  return undefined
}

function apply(database, options, signal) {
  return wrangler(["d1", "migrations", "apply", database], ["persist-to", "config", "env"], options, signal)
}

/** A database that is empty takes all at once; `apply` starts a system of its own for each. */
function execute(database, file, options, signal) {
  return wrangler(["d1", "execute", database, "--yes", "--file", file], ["persist-to"], options, signal)
}

async function wrangler(command, passed, options, signal) {
  const { code, stdout, stderr } = await runWrangler([...command, "--local", ...passOn(options, passed)], {
    signal,
  })
  return code === 0 ? undefined : stdout + stderr
}

/** Hands over a file of all migrations, each with its note, which goes when the work is done. */
async function withAllMigrations(work) {
  const folder = mkdtempSync(join(tmpdir(), "posthorn-migrations-"))
  const file = join(folder, "all.sql")
  const names = readdirSync(MIGRATIONS).filter((name) => name.endsWith(".sql"))
  const parts = names.sort().map((name) => {
    const sql = readFileSync(join(MIGRATIONS, name), "utf8")
    return `${sql}\nINSERT INTO d1_migrations (name) VALUES ('${name}');`
  })
  try {
    writeFileSync(file, [NOTES, ...parts].join("\n"))
    return await work(file)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
