import { execFile, execFileSync, spawn } from "node:child_process"
import { createHmac } from "node:crypto"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { text } from "node:stream/consumers"
import { promisify } from "node:util"
import { Webhook } from "standardwebhooks"
import { afterAll, beforeAll, describe, expect, it } from "vitest"

import { ask, create } from "../../scripts/bench/api.mjs"
import { withSystem } from "../../scripts/bench/fresh-system.mjs"
import { startReceiver } from "../../scripts/receiver.mjs"
import { SNIPPETS } from "../../src/dashboard/app/screens/endpoints/snippets.ts"
import { type Command, LANGUAGES, type Language, OFFLINE } from "./snippet-languages.ts"

// The code that an endpoint's page shows to its receiver, run as it stands there: each in a program that gives it one
// request, and prints what it says. What a machine has no language or packages for is skipped; nothing is downloaded.

const OLD_SECONDS = 600

interface Request {
  body: string
  id: string
  timestamp: string
  signatures: string
}

let folder: string
let secret: string
let genuine: Request

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "posthorn-snippets-"))
  const receiver = await startReceiver()
  try {
    const arrived = await withSystem({ folder: join(folder, "state") }, async ({ url }) => {
      await create(`${url}/api/v1/app`, { name: "Acme", uid: "acme" })
      const app = `${url}/api/v1/app/acme`
      const endpoint = await create(`${app}/endpoint`, { url: `${receiver.url}/hook` })
      secret = (await ask(`${app}/endpoint/${endpoint.id}/secret`)).key
      await create(`${app}/msg`, { eventType: "cafe.closed", payload: { name: "Zoë’s café", at: 7.5 } })
      return receiver.arrival(() => true)
    })
    genuine = requestOf(arrived.headers, arrived.body)
  } finally {
    await receiver.close()
  }
})
afterAll(() => rm(folder, { recursive: true, force: true }))

it.each(Object.keys(SNIPPETS))("there is a program around the snippet in %s", (name) => {
  expect(Object.keys(LANGUAGES)).toContain(name)
})

describe.each(Object.entries(LANGUAGES))("the snippet in %s", (name, language) => {
  it.skipIf(!isInstalled(language))("takes what is genuine, and nothing else", async ({ skip }) => {
    const directory = await mkdtemp(join(folder, `${name}-`))
    for (const [file, contents] of Object.entries(language.files(SNIPPETS[name]?.code ?? "")))
      await writeFile(join(directory, file), contents)
    const missing = language.fetch && (await failureOf(directory, language.fetch))
    if (missing) return skip(`its packages are not on this machine: ${missing}`)
    if (language.build) expect(await failureOf(directory, language.build)).toBe("")

    const says = (request: Request, key = secret) => run(directory, language, request, key)
    expect(await says(genuine)).toBe("true")
    expect(await says({ ...genuine, signatures: `v1,AAAA v1a,BBBB ${genuine.signatures}` })).toBe("true")
    for (const forged of forgeries()) expect(await says(forged)).toBe("false")
    const { key, ...unsigned } = signedWithNothing()
    expect(await says(unsigned, key)).not.toBe("true")
  })
})

/** What differs from the genuine request in something, each. */
function forgeries(): Request[] {
  const { body, id } = genuine
  const old = new Date(Date.now() - OLD_SECONDS * 1000)
  const timestamp = String(Math.floor(old.getTime() / 1000))
  return [
    { ...genuine, body: body.replace("7.5", "7.6") },
    { ...genuine, id: `${id}0` },
    { ...genuine, timestamp: String(Number(genuine.timestamp) + 1) },
    { ...genuine, timestamp: "soon" },
    { ...genuine, signatures: genuine.signatures.replace(/.=$/, "A=") },
    { ...genuine, signatures: "" },
    { ...genuine, timestamp, signatures: new Webhook(secret).sign(id, old, body) },
  ]
}

/** What a receiver would take that knows no secret. */
function signedWithNothing(): Request & { key: string } {
  const at = new Date()
  const id = "evt_1"
  const body = "{}"
  const timestamp = String(Math.floor(at.getTime() / 1000))
  const mac = createHmac("sha256", "").update(`${id}.${timestamp}.${body}`).digest("base64")
  return { id, body, timestamp, signatures: `v1,${mac}`, key: "" }
}

function requestOf(headers: Record<string, string | undefined>, body: string): Request {
  const header = (name: string) => headers[`webhook-${name}`] ?? ""
  return { body, id: header("id"), timestamp: header("timestamp"), signatures: header("signature") }
}

function isInstalled({ installed: [command, ...args] }: Language): boolean {
  try {
    execFileSync(command, args, { stdio: "ignore" })
    return true
  } catch {
    return false
  }
}

/** The last line of the program, which gets the body on its standard input. */
async function run(
  cwd: string,
  { run: [command, ...args] }: Language,
  { body, id, timestamp, signatures }: Request,
  key: string,
): Promise<string> {
  const env = { ...process.env, WEBHOOK_SECRET: key }
  const child = spawn(command, [...args, id, timestamp, signatures], {
    cwd,
    env,
    stdio: ["pipe", "pipe", "ignore"],
  })
  child.stdin.end(body)
  return (await text(child.stdout)).trim().split("\n").at(-1) ?? ""
}

/** What the command complains of; empty: it does what it should. */
async function failureOf(cwd: string, [command, ...args]: Command): Promise<string> {
  try {
    await promisify(execFile)(command, args, { cwd, env: { ...process.env, ...OFFLINE } })
    return ""
  } catch (error) {
    return String((error as { stderr?: unknown }).stderr || error)
  }
}
