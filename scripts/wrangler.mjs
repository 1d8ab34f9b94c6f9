// Every call of wrangler by a script goes through here.
import { spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { delimiter, join, resolve } from "node:path"
import { text } from "node:stream/consumers"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"

export const root = fileURLToPath(new URL("..", import.meta.url))

// `npm run` has put the project's own wrangler first; a script that is run by itself finds it last.
process.env.PATH += delimiter + join(root, "node_modules", ".bin")
process.env.WRANGLER_SEND_METRICS ??= "false"
// wrangler is one script of many megabytes: what Node has made of it is kept for the next start.
process.env.NODE_COMPILE_CACHE ??= join(root, "node_modules/.cache/node")

/**
 * Starts wrangler with no terminal to ask questions on: whatever it would ask, it decides or reports.
 * @returns {any} a child process, with the streams that its `stdio` asks for
 */
export function spawnWrangler(args, options = {}) {
  return spawn("wrangler", args, {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
    // npm's launchers are .cmd files on Windows, which only a shell runs.
    shell: process.platform === "win32",
    ...options,
  })
}

/** Runs wrangler to its end and answers its exit code and what it printed. */
export async function runWrangler(args, options = {}) {
  const child = spawnWrangler(args, { stdio: ["ignore", "pipe", "pipe"], ...options })
  const [code, stdout, stderr] = await Promise.all([exitCode(child), text(child.stdout), text(child.stderr)])
  return { code, stdout, stderr }
}

/** The code with which a process ends: 1 if it could not be started or was killed. */
export function exitCode(child) {
  return new Promise((resolve) => {
    child.once("error", (error) => {
      if (error.name !== "AbortError") console.error(error.message)
      resolve(1)
    })
    child.once("close", (code) => resolve(code ?? 1))
  })
}

/** The databases that a configuration binds as shards, `DB`, `DB_1`, `DB_2`…, each with its binding and its name. */
export function shardsOf(config = "wrangler.toml") {
  const toml = readFileSync(resolve(root, config), "utf8")
  const tables = toml.match(/^\[\[d1_databases\]\]\n(?:\w.*\n)+/gm) ?? []
  return tables.flatMap((table) => {
    const binding = /^binding = "(DB(?:_[1-9]\d*)?)"$/m.exec(table)?.[1]
    const name = /^database_name = "(.+)"$/m.exec(table)?.[1]
    return binding === undefined ? [] : [{ binding, name }]
  })
}

/** What npm run deploy must know of the arguments that it hands to wrangler, which reads all of them for itself. */
export function readOptions(args) {
  /** @type {{ type: "string" }} */
  const text = { type: "string" }
  const { values } = parseArgs({
    args,
    strict: false,
    allowPositionals: true,
    options: {
      config: { ...text, short: "c" },
      env: { ...text, short: "e" },
      profile: text,
      name: text,
      "dry-run": { type: "boolean" },
    },
  })
  return values
}

/** Options, as parseArgs reads them, as arguments again. */
export function asArguments(options) {
  return Object.entries(options).flatMap(([name, values]) =>
    [values].flat().flatMap((value) => (value === true ? [`--${name}`] : [`--${name}`, value])),
  )
}

/** The options that were given under these names, as arguments again. */
export function passOn(options, names) {
  return asArguments(Object.fromEntries(Object.entries(options).filter(([name]) => names.includes(name))))
}
