#!/usr/bin/env node
// Plays wrangler for deploy.test.ts: keeps a Cloudflare account in the JSON file that STAND_IN_ACCOUNT names, and
// answers as wrangler 4 does. `dies` in that file kills whoever called, before or after a command has had its effect.
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs"
import { parseArgs } from "node:util"

const file = process.env.STAND_IN_ACCOUNT
const account = JSON.parse(readFileSync(file, "utf8"))
const args = process.argv.slice(2)
const { values, positionals } = parseArgs({
  args,
  allowPositionals: true,
  options: {
    json: { type: "boolean" },
    remote: { type: "boolean" },
    "dry-run": { type: "boolean" },
    name: { type: "string", default: "posthorn" },
    "secrets-file": { type: "string" },
    config: { type: "string", default: "wrangler.toml" },
  },
})

const commands = {
  whoami() {
    console.log(JSON.stringify({ loggedIn: account.loggedIn }))
    if (!account.loggedIn) process.exit(1)
  },
  "d1 list"() {
    console.log(JSON.stringify(account.databases))
  },
  "d1 create posthorn"() {
    if (account.databases.length > 0) fail("A database with that name already exists")
    account.databases.push({ name: "posthorn", uuid: "0e4f", migrated: false })
  },
  "d1 migrations apply DB"() {
    if (account.databases.length === 0) fail("Couldn't find a D1 DB with the name or binding 'DB'")
    account.databases[0].migrated = true
  },
  "secret list"() {
    if (account.secretListFails) fail("A request to the Cloudflare API failed. Internal error [code: 10013]")
    if (!account.workers[values.name]) fail(`Worker "${values.name}" not found.`)
    const names = Object.keys(account.workers[values.name].secrets)
    console.log(JSON.stringify(names.map((name) => ({ name, type: "secret_text" }))))
  },
  "r2 bucket list"() {
    if (account.withoutR2) fail("Please enable R2 through the Cloudflare Dashboard. [code: 10042]")
  },
  deploy() {
    if (values["dry-run"]) return
    account.deployedBuckets = readFileSync(values.config, "utf8").includes("[[r2_buckets]]")
    if (account.withoutR2 && account.deployedBuckets) fail("Please enable R2 [code: 10042]")
    if (account.deployFails) fail("You need a workers.dev subdomain in order to proceed")
    const given = values["secrets-file"] ? JSON.parse(readFileSync(values["secrets-file"], "utf8")) : {}
    const { secrets } = account.workers[values.name] ?? { secrets: {} }
    account.workers[values.name] = { secrets: { ...secrets, ...given } }
    const report = [
      { type: "wrangler-session", version: 1 },
      { type: "deploy", targets: ["schedule: * * * * *", `https://${values.name}.example.workers.dev`] },
    ]
    appendFileSync(
      process.env.WRANGLER_OUTPUT_FILE_PATH,
      report.map((line) => `${JSON.stringify(line)}\n`).join(""),
    )
  },
}

const command = positionals.join(" ")
account.calls.push(args.join(" "))
// A second death would make the second run pointless.
const dies = account.dies?.at === command ? account.dies.when : undefined
if (dies) delete account.dies
save()
if (dies === "before") process.kill(process.ppid, "SIGKILL")
else commands[command]()
save()
if (dies === "after") process.kill(process.ppid, "SIGKILL")

function save() {
  if (existsSync(file)) writeFileSync(file, JSON.stringify(account))
}

function fail(message) {
  console.error(`\u001b[31m✘ \u001b[41;97mERROR\u001b[0m ${message}`)
  process.exit(1)
}
