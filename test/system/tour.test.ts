import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { globSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { text } from "node:stream/consumers"
import { afterAll, beforeAll, expect, it } from "vitest"

import { findFreePort, startServer } from "../../scripts/dev-server.mjs"
import { until } from "./program.ts"

const root = join(import.meta.dirname, "../..")
const readme = readFileSync(join(root, "README.md"), "utf8")
const TOUR = blocks("A tour of five minutes", "The APIs")
const MANAGEMENT = blocks("The management API", "How it works")
/** The ports that the README names, and those that are free here. */
const PORTS: Record<string, string> = {}
const RECEIVES = /^npm run --silent receive.*$/m
/** A Python that has Svix's SDK, if there is one: that of npm run test:sdk, or the machine's. */
const PYTHON = [...globSync(join(root, "dist/sdk/python-*/venv/bin/python")), "python3"].find(
  (name) => spawnSync(name, ["-c", "import svix"]).status === 0,
)

let directory: string
let server: Awaited<ReturnType<typeof startServer>>
const receivers: { stop(): void }[] = []

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "posthorn-tour-"))
  for (const port of ["8000", "9000", "9001", "9002", "9003"]) PORTS[port] = String(await findFreePort())
  const [command = ""] = TOUR.sh
  const args = here(command).trim().split(" ").slice(3)
  server = await startServer({ args: [...args, "--persist-to", directory] })
})
afterAll(async () => {
  for (const receiver of receivers) receiver.stop()
  await server?.stop()
  rmSync(directory, { recursive: true, force: true })
})

it("the tour's commands do what it says they do", async () => {
  const [, receiving = "", alice = "", ping = "", bob = "", look = "", resend = ""] = TOUR.sh
  const first = receive(receiving)
  await first.says("Receiving at")
  await run(alice)
  await first.says("✓ verified")
  await first.says('{"event":"user_registered","data":{"username":"alice"')
  expect(await run(ping)).toContain("successful_webhooks")

  first.stop()
  await run(bob)
  await until(
    async () => (await run(look)).includes("Connection refused"),
    () => "a refused connection",
  )
  expect(await run(look)).toContain('"nextAttempt"')
  const command = RECEIVES.exec(receiving)?.[0] ?? ""
  const second = receive(command.replace('"$SECRET"', first.secret()))
  await second.says("Receiving at")
  await run(`${look}\n${resend}`)
  await second.says("✓ verified")
  await second.says('"username":"bob"')
})

it("the management API's commands lead to a verified delivery", async () => {
  const [prepare = "", send = ""] = MANAGEMENT.sh
  const receiver = receive(prepare)
  await receiver.says("Receiving at")
  await run(send)
  await receiver.says("✓ verified")
  await receiver.says('{"id":"inv_1"}')
})

it("the management API's JavaScript leads to a verified delivery", async () => {
  expect(await run(MANAGEMENT.js[0] ?? "", process.execPath, ["--input-type=module", "-"])).toContain(
    'verified {"id":"inv_1"}',
  )
})

it.skipIf(PYTHON === undefined)("the management API's Python leads to a verified delivery", async () => {
  expect(await run(MANAGEMENT.python[0] ?? "", PYTHON, ["-"])).toContain('verified {"id":"inv_1"}')
})

it("npm run receive says of each delivery whether it is genuine, and answers the status it was told", async () => {
  const receiver = receive(`npm run --silent receive -- 9001 503 --secret whsec_${btoa("k".repeat(32))}`)
  await receiver.says("answering 503")
  const forged = { "webhook-id": "msg_1", "webhook-timestamp": "1", "webhook-signature": "v1,AA==" }
  const answer = await fetch(here("http://127.0.0.1:9001/hook"), {
    method: "POST",
    headers: forged,
    body: "{}",
  })
  expect(answer.status).toBe(503)
  await receiver.says(/POST \/hook +✗/)
  await receiver.says("webhook-id: msg_1")

  const second = receive("npm run --silent receive -- 9001")
  await second.says("Another program has that port.")
  const wrong = receive("npm run --silent receive -- 9001 teapot")
  await wrong.says("Usage: npm run receive")
})

/** The code between two headings of the README, by language. */
function blocks(from: string, to: string): { sh: string[]; js: string[]; python: string[] } {
  const part = readme.slice(
    readme.search(RegExp(`^#+ ${from}$`, "m")),
    readme.search(RegExp(`^## ${to}$`, "m")),
  )
  const of = (language: string) =>
    [...part.matchAll(RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, "gms"))].map(([, code = ""]) => code)
  return { sh: of("sh"), js: of("js"), python: of("python") }
}

function here(code: string): string {
  return code.replace(/\b(8000|900[0-3])\b/g, (port) => PORTS[port] ?? port)
}

/** Runs code to its end, as somebody who pastes it, and answers what it printed. */
async function run(code: string, program = "bash", args = ["-s"]): Promise<string> {
  const child = spawn(program, args, { cwd: root, timeout: 60_000 })
  child.stdin.end(here(code))
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  if (child.exitCode === null) await once(child, "exit")
  expect([child.exitCode, stderr]).toEqual([0, expect.not.stringContaining("Error")])
  return stdout
}

/** Runs code that ends with a receiver, which goes on. */
function receive(code: string) {
  const traced = here(code).replace(RECEIVES, (command) => `echo "secret: $SECRET"\nexec ${command}`)
  const child = spawn("bash", ["-c", traced], { cwd: root, detached: true })
  let hasEnded = false
  void child.once("exit", () => (hasEnded = true))
  let output = ""
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk))
  const receiver = {
    says: (text: string | RegExp) =>
      until(
        () => (typeof text === "string" ? output.includes(text) : text.test(output)),
        () => `${text} in:\n${output}`,
      ),
    secret: () => /^secret: (whsec_\S+)$/m.exec(output)?.[1] ?? "",
    stop() {
      if (hasEnded || child.pid === undefined) return
      hasEnded = true
      process.kill(-child.pid, "SIGTERM")
    },
  }
  receivers.push(receiver)
  return receiver
}
