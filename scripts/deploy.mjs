// npm run deploy [-- arguments for wrangler deploy]: from an empty account to a running Posthorn, and from
// any later state to the newest code. Each step looks before it acts, so it may be run again, whatever
// became of the last run.
import { randomBytes } from "node:crypto"
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

import { exitCode, passOn, readOptions, root, runWrangler, shardsOf, spawnWrangler } from "./wrangler.mjs"

const NEW_TOKEN = "npx wrangler secret put API_TOKEN"

const args = process.argv.slice(2)
const options = readOptions(args)
// Whom and what the other commands are about must be what it is for `wrangler deploy`.
const account = passOn(options, ["config", "env", "profile"])

/** Something that the person who deploys can put right; shown without a stack. */
class DeployError extends Error {}

try {
  // A dry run touches no account.
  if (options["dry-run"]) process.exitCode = await exitCode(spawnWrangler(["deploy", ...args]))
  else await run()
} catch (error) {
  if (!(error instanceof DeployError)) throw error
  console.error(`\n${error.message}`)
  process.exitCode = 1
}

async function run() {
  await checkLogin()
  await createDatabases()
  // Before the code that needs them: every migration also works with the code before it.
  for (const { binding } of shardsOf()) {
    await step("Applying the migrations …", ["d1", "migrations", "apply", binding, "--remote", ...account])
  }
  const secrets = await missingSecrets()
  const config = (await hasR2()) ? [] : ["--config", configWithoutR2()]
  showToken(secrets.API_TOKEN)
  const url = await deploy(secrets, config)
  console.log(url === undefined ? "\nPosthorn is deployed." : nextSteps(url))
}

async function checkLogin() {
  const { stdout } = await runWrangler(["whoami", "--json", ...account])
  // Whatever else may be wrong, the next command says it better.
  if (/"loggedIn":\s*false/.test(stdout)) {
    throw new DeployError("Log in to Cloudflare first: npx wrangler login (or set CLOUDFLARE_API_TOKEN)")
  }
}

/**
 * `wrangler deploy` creates what is missing on the account, and would create the databases too, but those
 * have to be there earlier, for their migrations.
 */
async function createDatabases() {
  const shards = shardsOf()
  if (shards.length === 0 || shards.some(({ name }) => name === undefined))
    throw new DeployError('wrangler.toml names no database: it needs a line database_name = "…"')
  const databases = await readList(["d1", "list", "--json", ...account])
  for (const { name } of shards) {
    if (databases.some((database) => database.name === name)) continue
    await step(`Creating the database ${name} …`, ["d1", "create", name, ...account])
  }
}

/**
 * New values for the secrets that the Worker does not have. Only an answer of Cloudflare's counts as "does
 * not have": a second ENCRYPTION_KEY would make everything sealed with the first one unreadable.
 */
async function missingSecrets() {
  const args = ["secret", "list", ...account, ...passOn(options, ["name"])]
  const set = await readList(args, /Worker "[^"]+".* not found/)
  const secrets = {
    API_TOKEN: `ph_${randomBytes(32).toString("base64url")}`,
    ENCRYPTION_KEY: randomBytes(32).toString("base64"),
  }
  for (const { name } of set) delete secrets[name]
  return secrets
}

/** R2 wants to be enabled once, by hand. Whatever else is wrong with it, the deploy itself says better. */
async function hasR2() {
  if (options.config !== undefined) return true
  const { code, stdout, stderr } = await runWrangler(["r2", "bucket", "list", ...account])
  return code === 0 || !/10042|enable R2/i.test(stdout + stderr)
}

/**
 * The configuration less the bucket, in a file that is gone when this script is: paths in
 * it start from its place.
 */
function configWithoutR2() {
  console.log(
    "R2 is not enabled on this account: deploying without file uploads, which will answer 503.\n" +
      "To have them, enable R2 in the dashboard and run npm run deploy again.",
  )
  const toml = readFileSync(join(root, "wrangler.toml"), "utf8")
  const file = join(root, "wrangler.without-r2.toml")
  writeFileSync(file, toml.replace(/^\[\[r2_buckets\]\]\n(?:\w.*\n)+/m, ""))
  process.once("exit", () => rmSync(file, { force: true }))
  return file
}

/**
 * Shows a new token before the upload, not after: if this run dies in between, the token may be set, the next
 * run would leave it alone, and nobody would ever have seen it.
 */
function showToken(token) {
  if (token === undefined) {
    console.log(`API_TOKEN is set already. If it is lost, set another one: ${NEW_TOKEN}`)
  } else {
    console.log(
      `\n  API_TOKEN  ${token}\n\n  Keep it: it is shown this once, and holds as soon as this deploy has succeeded.\n`,
    )
  }
}

/**
 * Uploads code and secrets in one step, so that no version is ever up without them. Answers
 * its URL, if it has one.
 */
async function deploy(secrets, config) {
  const directory = mkdtempSync(join(tmpdir(), "posthorn-deploy-"))
  // Also when interrupted: secrets do not stay on the disk.
  process.once("exit", () => rmSync(directory, { recursive: true, force: true }))
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(1))

  const report = join(directory, "report.ndjson")
  const command = ["deploy", ...config, ...args]
  if (Object.keys(secrets).length > 0) {
    const file = join(directory, "secrets.json")
    writeFileSync(file, JSON.stringify(secrets), { mode: 0o600 })
    command.push("--secrets-file", file)
  }
  const child = spawnWrangler(command, { env: { ...process.env, WRANGLER_OUTPUT_FILE_PATH: report } })
  if ((await exitCode(child)) !== 0) {
    const shown =
      secrets.API_TOKEN && ` Should the API_TOKEN above then be refused, set another one: ${NEW_TOKEN}`
    throw new DeployError(
      `The deploy did not succeed. Run it again: it goes on where this one stopped.${shown ?? ""}`,
    )
  }
  return deployedUrl(report)
}

/**
 * The first address in wrangler's report of the deploy; there is none if only routes
 * without https were set up.
 */
function deployedUrl(report) {
  if (!existsSync(report)) return undefined
  const entries = readFileSync(report, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))
  const { targets = [] } = entries.findLast(({ type }) => type === "deploy") ?? {}
  return targets.find((target) => target.startsWith("https://"))
}

function nextSteps(url) {
  return `
Posthorn is deployed.

  Docs     ${url}/docs
  Health   curl ${url}/health
  Use it   curl ${url}/webhooks -H "Authorization: Bearer <API_TOKEN>"

A first deploy may take a minute until its name is known everywhere.`
}

/**
 * Runs a command that answers a JSON array. A failure that says `nothing` means an empty one; any
 * other ends the deploy.
 */
async function readList(command, nothing) {
  const { code, stdout, stderr } = await runWrangler(command)
  if (code === 0) return JSON.parse(stdout)
  if (nothing?.test(stderr)) return []
  throw new DeployError(`${stdout}${stderr}\n\`wrangler ${command.join(" ")}\` failed; nothing was deployed.`)
}

async function step(says, command) {
  console.log(says)
  const code = await exitCode(spawnWrangler(command))
  if (code !== 0) throw new DeployError(`\`wrangler ${command.join(" ")}\` failed; nothing was deployed.`)
}
