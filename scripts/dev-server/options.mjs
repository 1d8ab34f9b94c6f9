// What `npm start` may be told, and what the Worker and wrangler dev make of it.
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { parseArgs, parseEnv } from "node:util"

import { asArguments, root } from "../wrangler.mjs"

/** @type {{ type: "string" }} */
const text = { type: "string" }
/** What may be given: where to listen is the business of our own door, the rest goes on to wrangler dev. */
const OPTIONS = {
  port: text,
  ip: text,
  "persist-to": text,
  var: { ...text, multiple: /** @type {const} */ (true), default: /** @type {string[]} */ ([]) },
  config: { ...text, short: "c" },
  env: { ...text, short: "e" },
  define: { ...text, multiple: /** @type {const} */ (true) },
  "inspector-port": text,
  "log-level": text,
  "live-reload": /** @type {{ type: "boolean" }} */ ({ type: "boolean" }),
}

/** Something that the person who started us can put right; shown without a stack. */
export class StartError extends Error {}

/** A StartError about the command line itself. */
export class UsageError extends StartError {}

/**
 * The options of `npm start`. Throws a UsageError that says what to change.
 * @param {string[]} args
 */
export function readStartOptions(args) {
  const { port, ...others } = parse(args)
  if (port !== undefined && !(/^\d+$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535)) {
    throw new UsageError("--port must be a number from 1 to 65535")
  }
  const odd = others.var.find((setting) => !/^\w+:/.test(setting))
  if (odd !== undefined) throw new UsageError(`--var ${odd} must be NAME:value`)
  return { ...others, ...(port !== undefined && { port }) }
}

function parse(args) {
  try {
    return parseArgs({ args, options: OPTIONS }).values
  } catch (error) {
    // The first sentence says what is wrong, the rest how parseArgs could be told to take it.
    throw new UsageError(error.message.replace(/[.\n].*$/s, ""))
  }
}

/**
 * The variables as the Worker will see them: `--var NAME:value` goes before .dev.vars, a later one before an
 * earlier. What neither says of AUTH_MODE is open, and an invocation may do what a paid plan allows.
 */
export function readSettings(vars) {
  const file = join(root, ".dev.vars")
  const given = vars.map((setting) => /^([^:]*):(.*)$/s.exec(setting)?.slice(1) ?? [])
  return {
    AUTH_MODE: "open",
    ATTEMPTS_PER_INVOCATION: "120",
    ...(existsSync(file) && parseEnv(readFileSync(file, "utf8"))),
    ...Object.fromEntries(given),
  }
}

/**
 * What wrangler dev is started with, but for its port, which each start finds anew; of a
 * variable, the last one counts.
 * @param {ReturnType<typeof readStartOptions>} options
 */
export function devArguments({ port: _, ip: __, var: vars, ...options }, { url, secret, settings }) {
  const { AUTH_MODE, ATTEMPTS_PER_INVOCATION } = settings
  const own = [
    `PUBLIC_URL:${url}`,
    `AUTH_MODE:${AUTH_MODE}`,
    `ATTEMPTS_PER_INVOCATION:${ATTEMPTS_PER_INVOCATION}`,
    `OPEN_SECRET:${secret}`,
  ]
  // 0 is any free port: two systems can run side by side.
  return asArguments({ ip: "127.0.0.1", "inspector-port": "0", ...options, var: [...own, ...vars] })
}
