// npm run test:sdk [-- npm python go rust java]: a life with each of Svix's official SDKs, against the real system.
// What the machine lacks is skipped and said to be. Ends with 0 only if every life that was begun came to its end.
// `--fetch` does nothing but bring what the registries hold, `--offline` takes what is there.
import { spawn } from "node:child_process"
import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { parseArgs } from "node:util"

import { findFreePort, startServer } from "./dev-server.mjs"
import { sdks } from "./sdk/languages.mjs"
import { root } from "./wrangler.mjs"

/** What every life consists of, in this order; test/sdk/README.md says it at length. */
const STEPS = [
  "an application",
  "event types",
  "an endpoint with a filter",
  "a delivery, verified",
  "nothing of another type",
  "a raw body, byte for byte",
  "attempts",
  "resend",
  "a rotated secret",
  "recover",
  "stats",
  "refusals",
  "the end of it",
]
/** A step waits 30 s for whatever it waits for; nothing needs more than one such wait. */
const LIFE_MS = 120_000
const TOKEN = "sdk-tests"

/** What a registry that hangs may take, and a compiler. */
const FETCH_MS = 300_000
/** Stands in the folder of a life whose packages are there. */
const FETCHED = "fetched"

const { values: mode, positionals: wanted } = parseArgs({
  allowPositionals: true,
  options: { fetch: { type: "boolean" }, offline: { type: "boolean" } },
})
const languages = [...new Set(sdks.map(({ language }) => language))]
const unknown = wanted.filter((language) => !languages.includes(language))
if (unknown.length > 0) {
  console.error(`No such language: ${unknown.join(", ")}. There are ${languages.join(", ")}.`)
  process.exit(2)
}

const stopping = new AbortController()
const { signal } = stopping
for (const name of ["SIGINT", "SIGTERM"]) process.once(name, () => stopping.abort())

const chosen = sdks.filter(({ language }) => wanted.length === 0 || wanted.includes(language))
const directory = await mkdtemp(join(tmpdir(), "posthorn-sdk-"))
let server
try {
  if (mode.fetch) await fetchAll()
  else await liveAll()
} finally {
  await server?.stop()
  await rm(directory, { recursive: true, force: true })
}

/** Brings what can be had; whoever lives later says what is lacking. */
async function fetchAll() {
  for (const sdk of chosen) {
    const lack = (await lacks(sdk)) ?? (await fetchPackages(sdk))
    console.log(`${sdk.language} ${sdk.version}: ${lack ?? "there"}`)
  }
}

async function liveAll() {
  console.log("Starting Posthorn …")
  server = await startServer({ args: await settings(), signal })
  const lives = []
  for (const sdk of chosen) {
    console.log(`\n${sdk.language} ${sdk.version}`)
    const life = await live(sdk)
    if (life.reason) console.log(`  ${life.reason}`)
    lives.push({ ...sdk, ...life })
  }
  console.log(`\n${table(lives)}`)
  const failed = lives.filter(({ state }) => state === "failed")
  if (failed.length > 0) {
    const faults = server
      .output()
      .split("\n")
      .filter((line) => line.includes('"unit":"fault"'))
    if (faults.length > 0) console.error(`\n${faults.join("\n")}`)
    process.exitCode = 1
  }
}

/** As a deployment is, with a token and a key, but for targets on this machine and a schedule that is soon used up. */
async function settings() {
  const variables = {
    AUTH_MODE: "token",
    API_TOKEN: TOKEN,
    ENCRYPTION_KEY: Buffer.alloc(32, "posthorn").toString("base64"),
    ALLOW_PRIVATE_TARGETS: "true",
    RETRY_SCHEDULE: "1",
  }
  const given = Object.entries(variables).flatMap(([name, value]) => ["--var", `${name}:${value}`])
  return ["--port", String(await findFreePort()), "--persist-to", directory, ...given]
}

/** Makes a life ready and lives it; answers how it ended: `passed`, `failed` or `skipped`, with the reason. */
async function live(sdk) {
  const end = (state, reason) => ({ state, steps: [], reason: `${state}: ${reason}` })
  const lack = (await lacks(sdk)) ?? (await fetchPackages(sdk))
  if (lack) return end("skipped", lack)
  const home = homeOf(sdk)
  for (const command of sdk.build) {
    const { code, output } = await run(command, home, { timeout: FETCH_MS })
    if (code !== 0) return end("failed", `it does not build\n${output}`)
  }

  const steps = []
  const onLine = (line) => {
    console.log(`  ${line}`)
    const [, title, skipped] = /^ok \d+ - (.*?)( # SKIP .*)?$/.exec(line) ?? []
    if (title !== undefined) steps.push({ title, skipped: skipped !== undefined })
  }
  const { code } = await run(sdk.run(home), home, { onLine, timeout: LIFE_MS })
  const isWhole = STEPS.every((title, index) => steps[index]?.title === title)
  if (code !== 0 || !isWhole) return { state: "failed", steps, reason: `failed: it ended with ${code}` }
  return { state: "passed", steps }
}

/** The folder of a life, with its program in it. */
function homeOf({ folder, source }) {
  const home = join(root, "dist/sdk", folder)
  mkdirSync(home, { recursive: true })
  if (source) cpSync(join(root, "test/sdk", source), home, { recursive: true })
  return home
}

/** What the machine lacks for a life, if anything. */
async function lacks(sdk) {
  for (const command of sdk.needs) {
    if ((await run(command, homeOf(sdk))).code !== 0) return `${command[0]} is not on this machine`
  }
  return undefined
}

/** Brings the packages of a life, or sees to it that they were brought; answers why they cannot be had. */
async function fetchPackages(sdk) {
  if (sdk.fetch.length === 0) return undefined
  const home = homeOf(sdk)
  const note = join(home, FETCHED)
  if (mode.offline) return existsSync(note) ? undefined : "its packages were not fetched"
  rmSync(note, { force: true })
  for (const command of sdk.fetch) {
    const { code, output } = await run(command, home, { timeout: FETCH_MS })
    if (code !== 0) return `${command.slice(0, 3).join(" ")} brings no packages: ${tail(output)}`
  }
  writeFileSync(note, "")
  return undefined
}

/** Runs a command to its end, or to its timeout; each line of its output goes to `onLine`. */
async function run(
  [command, ...args],
  cwd,
  { onLine = (/** @type {string} */ _line) => {}, timeout = 0 } = {},
) {
  const env = {
    ...process.env,
    // With a slash at its end, as many people write it.
    POSTHORN_URL: `${server?.url}/`,
    POSTHORN_TOKEN: TOKEN,
    POSTHORN_NAME: cwd.split(/[\\/]/).at(-1),
  }
  const child = spawn(command, args, { cwd, env, signal, timeout, stdio: ["ignore", "pipe", "pipe"] })
  const ended = new Promise((resolve) => {
    child.once("error", () => resolve(127))
    child.once("close", (code) => resolve(code ?? 1))
  })
  let output = ""
  const read = [child.stdout, child.stderr].map(async (input) => {
    for await (const line of createInterface({ input })) {
      output += `${line}\n`
      onLine(line)
    }
  })
  const code = await ended
  await Promise.all(read)
  return { code, output }
}

function tail(output) {
  return output.trim().split("\n").at(-1)
}

function table(lives) {
  const rows = lives.map(({ language, version, state, steps, reason }) => {
    if (state === "skipped") return [language, version, "–", reason.split("\n")[0]]
    const skipped = steps.filter((step) => step.skipped).map(({ title }) => title)
    const passed = `${steps.length - skipped.length} of ${STEPS.length}`
    const note = skipped.length > 0 ? `, ${skipped.join(", ")} not possible with it` : ""
    return [language, version, String(STEPS.length), state === "failed" ? `${passed}: FAILED` : passed + note]
  })
  const lines = [["SDK", "version", "steps", "passed"], ...rows]
  const widths = [0, 1, 2].map((column) => Math.max(...lines.map((line) => line[column].length)))
  return lines
    .map((line) => line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  "))
    .join("\n")
}
