import { spawn } from "node:child_process"
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer, request as httpRequest } from "node:http"
import { connect, createServer as createTcpServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Webhook } from "standardwebhooks"
import { afterEach, beforeEach, describe, expect, it } from "vitest"

import { findFreePort } from "../../scripts/dev-server.mjs"
import { livingMembers } from "../../scripts/processes.mjs"
import { startReceiver } from "../../scripts/receiver.mjs"

const root = join(import.meta.dirname, "../..")
/** Long enough to be killed within; a claim holds for twice as long and 30 s. */
const SILENT_MS = 1500

let directory: string
let url: string
let port: string
let receiver: Awaited<ReturnType<typeof startReceiver>>
let running: { kill(signal: NodeJS.Signals): void }[]

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "posthorn-start-"))
  port = String(await findFreePort())
  url = `http://127.0.0.1:${port}`
  receiver = await startReceiver()
  running = []
})
afterEach(async () => {
  for (const program of running) program.kill("SIGKILL")
  await receiver.close()
  rmSync(directory, { recursive: true, force: true })
})

describe("npm start", () => {
  it("brings up a system that delivers signed events, and ends with all its children on SIGTERM", async () => {
    const program = start("npm", ["start", "--", "--port", port, "--persist-to", directory])
    await program.says(`Posthorn is up at ${url}`)
    expect(program.output()).toContain("Open: no token is asked for")
    // The sweep has been run without waiting for the first minute.
    await program.says(" sweep ")

    const { secret } = await register("user_registered", receiver.url)
    const user = await post("/users", { username: "Zoë" })
    const request = await receiver.arrival(() => true)
    const sent = new Webhook(secret).verify(request.body, request.headers)
    expect(sent).toEqual({ event: "user_registered", data: user.body })

    // A body refused half read, its length unknown, must not end the server.
    const zeros = { pull: (body: ReadableStreamDefaultController) => body.enqueue(new Uint8Array(64 * 1024)) }
    const large = new ReadableStream(zeros).pipeThrough(firstBytes(2 * 1024 * 1024))
    const refused = await fetch(`${url}/users`, {
      method: "POST",
      body: large,
      duplex: "half",
    } as RequestInit)
    expect(refused.status).toBe(413)
    expect((await fetch(`${url}/health`)).status).toBe(200)

    program.child.kill("SIGTERM")
    await program.ended
    await program.isGone()
  })

  it("lets the person's --var win, says so, and ends on Ctrl-C", async () => {
    const args = ["--port", port, "--persist-to", directory, "--var", "AUTH_MODE:token"]
    const program = start("npm", ["start", "--", ...args])
    await program.says(`Posthorn is up at ${url}`)
    expect(program.output()).toContain("Token mode")

    const answer = await post("/users", { username: "Zoë" })
    expect(answer.status).toBe(503)
    expect(answer.body).toMatchObject({ detail: expect.stringContaining("API_TOKEN") })

    // A terminal sends it to the whole group.
    program.kill("SIGINT")
    await program.isGone()
  })

  it("prints a few lines and then its banner, and nothing that wrangler says with every start", async () => {
    const program = start("npm", ["start", "--", "--port", port, "--persist-to", directory])
    await program.says("Stop with Ctrl-C")
    await program.says(" sweep ")
    const [before = "", after = ""] = program.output().split("Posthorn is up at")
    expect(before.split("\n").length).toBeLessThanOrEqual(10)
    expect(after).toMatch(new RegExp(`Health +${url}/health`))
    expect(program.output()).not.toMatch(/hidden|bindings|not automatically triggered/)
  })

  it("is still up after three bursts of 100 requests and three clients that left half way", async () => {
    const program = start("npm", ["start", "--", "--port", port, "--persist-to", directory])
    await program.says(`Posthorn is up at ${url}`)
    for (const burst of ["a", "b", "c"]) {
      const names = Array.from({ length: 100 }, (_, index) => `${burst}${index}`)
      const answers = await Promise.all(names.map((username) => post("/users", { username })))
      expect(answers.map(({ status }) => status)).toEqual(names.map(() => 200))
      await leaveHalfWay(burst === "a" ? "GET /health" : "POST /users")
    }
    expect((await get("/health")).status).toBe(200)
    expect(program.output()).not.toContain("ended by itself")
  })

  it("starts a wrangler again that ended by itself, says so, and has kept what it took", async () => {
    const program = start("npm", ["start", "--", "--port", port, "--persist-to", directory])
    await program.says(`Posthorn is up at ${url}`)
    await post("/users", { username: "zoe" })
    const [wrangler] = program.wranglers()
    process.kill(wrangler?.pid ?? 0, "SIGKILL")
    await program.says("wrangler dev ended by itself")
    expect((await get("/health")).body).toMatchObject({ detail: expect.stringContaining("is starting") })
    await program.says("wrangler dev is up again")
    expect((await get("/users")).body).toMatchObject([{ username: "zoe" }])

    program.child.kill("SIGTERM")
    await program.isGone()
  })

  it("in open mode believes no client about the Host that it asked for", async () => {
    const program = start("npm", ["start", "--", "--port", port, "--persist-to", directory])
    await program.says(`Posthorn is up at ${url}`)
    const local = { host: `127.0.0.1:${port}` }
    const rebound = { host: `evil.example:${port}` }
    const asIfLocal = { ...rebound, "mf-original-url": `http://127.0.0.1:${port}/users` }
    expect(await statusOf(port, local)).toBe(200)
    expect(await statusOf(port, rebound)).toBe(421)
    for (const name of ["mf-original-url", "MF-Original-URL"]) {
      expect(await statusOf(port, { ...rebound, [name]: asIfLocal["mf-original-url"] })).toBe(421)
    }
    expect(await statusOf(port, { ...local, "posthorn-open-secret": "guess" })).toBe(200)

    // Around the door, where wrangler believes everybody, nobody knows the secret.
    const [wrangler] = program.wranglers()
    const inner = /--port (\d+)/.exec(wrangler?.command ?? "")?.[1] ?? ""
    for (const headers of [local, asIfLocal, { ...asIfLocal, "posthorn-open-secret": "guess" }]) {
      expect(await statusOf(inner, headers)).toBe(421)
    }
  })

  it("leaves no process behind when nobody reads what it prints", async () => {
    const program = start("bash", ["-c", `npm start -- --port ${port} --persist-to ${directory} 2>&1 | head`])
    await program.ended
    await program.isGone()
    expect(program.output()).toContain("Posthorn is up at")
  })

  it("says which process works on the folder, and that a Posthorn has the port", async () => {
    const first = start("npm", ["start", "--", "--port", port, "--persist-to", directory])
    await first.says(`Posthorn is up at ${url}`)
    const pid = readFileSync(join(directory, "posthorn.pid"), "utf8").split(" ")[0]
    expect(Number(pid)).toBeGreaterThan(1)

    const second = start("npm", ["start", "--", "--port", port, "--persist-to", directory])
    expect(await second.ended).toBe(1)
    expect(second.output()).toContain(`Port ${port} is taken by a Posthorn that is up already: ${url}`)
    expect(second.output()).toContain(`Process ${pid} (${url}) works on the state folder ${directory}`)
    expect((await get("/health")).status).toBe(200)
  })

  it("lets one of two have the folder when they start at the same instant", async () => {
    const ports = [await findFreePort(), await findFreePort()]
    const programs = ports.map((port) =>
      start("npm", ["start", "--", "--port", String(port), "--persist-to", directory]),
    )
    await until(
      () => programs.some((program) => program.output().includes("Posthorn is up at")),
      () => "one to come up",
    )
    await until(
      () => programs.some((program) => program.output().includes("works on the state folder")),
      () => "the other one to give up",
    )
    expect(programs.filter((program) => program.output().includes("Posthorn is up at"))).toHaveLength(1)
  })

  it("says that another program has the port, and how to choose another one", async () => {
    const occupant = createTcpServer((socket) => socket.destroy()).listen(Number(port), "127.0.0.1")
    const program = start("npm", ["start", "--", "--port", port, "--persist-to", directory])
    expect(await program.ended).toBe(1)
    expect(program.output()).toContain(`Port ${port} is taken by another program. Choose another one`)
    expect(program.output()).toContain("npm start -- --port")
    occupant.close()
  })

  it("says that the folder cannot be written", async () => {
    const file = join(directory, "file")
    writeFileSync(file, "")
    const program = start("npm", ["start", "--", "--port", port, "--persist-to", join(file, "state")])
    expect(await program.ended).toBe(1)
    expect(program.output()).toContain(`Cannot write to the state folder ${join(file, "state")}`)
    expect(program.output()).toContain("--persist-to")
  })

  it.each([
    [["--help"], 0, "Usage: npm start"],
    [["--prot", "8000"], 1, "Unknown option '--prot'"],
    [["--port", "many"], 1, "--port must be a number"],
    [["--port"], 1, "'--port <value>' argument missing"],
    [["--var", "RETRY_SCHEDULE=1"], 1, "must be NAME:value"],
    [["src/index.ts"], 1, "Unexpected argument 'src/index"],
  ] as const)("answers %j with its own help, and touches nothing", async (args, code, says) => {
    const program = start("npm", ["start", "--", "--persist-to", join(directory, "state"), ...args])
    expect(await program.ended).toBe(code)
    expect(program.output()).toContain(says)
    expect(program.output()).toContain("--persist-to .wrangler/state")
    expect(existsSync(join(directory, "state"))).toBe(false)
  })

  it("delivers after the next start what a kill left undelivered", async () => {
    const args = ["--port", port, "--persist-to", directory, "--var", `ATTEMPT_TIMEOUT_MS:${SILENT_MS}`]
    const first = start("npm", ["start", "--", ...args])
    await first.says(`Posthorn is up at ${url}`)
    // One receiver is down. The other one takes a request and says nothing: its event is in somebody's hands.
    const [downPort, silentPort] = [await findFreePort(), await findFreePort()]
    await register("user_registered", `http://127.0.0.1:${downPort}/`)
    await register("user_send_message", `http://127.0.0.1:${silentPort}/`)
    const silent = createServer().listen(silentPort, "127.0.0.1")
    const heard = new Promise((resolve) => silent.once("request", resolve))
    const names = ["alice", "bob", "carol"]
    for (const username of names) await post("/users", { username })
    await post("/users/messages", { sender: "alice", recipient: "bob", subject: "", message: "" })
    await heard

    first.kill("SIGKILL")
    await first.isGone()
    silent.closeAllConnections()
    await new Promise((resolve) => silent.close(resolve))
    const [up, listening] = [await startReceiver(downPort), await startReceiver(silentPort)]
    const second = start("npm", ["start", "--", ...args])
    await second.says(`Posthorn is up at ${url}`)

    // The claim on the event in flight has to run out first. Sweeping more often than once a minute changes nothing else.
    const sweeping = setInterval(() => void get("/cdn-cgi/handler/scheduled?cron=*+*+*+*+*"), 1_000)
    try {
      await Promise.all([
        ...names.map((name) => up.arrival(({ body }) => JSON.parse(body).data.username === name, 60_000)),
        listening.arrival(({ body }) => JSON.parse(body).event === "user_send_message", 60_000),
      ])
    } finally {
      clearInterval(sweeping)
      await Promise.all([up.close(), listening.close()])
    }
  })
})

describe("npx wrangler dev", () => {
  it("asks for a token, and says which command migrates a database without tables", async () => {
    const program = start("npx", [
      "wrangler",
      "dev",
      "--port",
      port,
      "--inspector-port",
      "0",
      "--persist-to",
      directory,
      "--var",
      "API_TOKEN:letmein",
    ])
    await program.says("Ready on")
    expect((await get("/users")).status).toBe(401)

    const authorization = "Bearer letmein"
    for (const answer of [
      await get("/health"),
      await post("/users", { username: "Zoë" }, { authorization }),
    ]) {
      expect(answer.status).toBe(503)
      expect(JSON.stringify(answer.body)).toContain("npm run db:migrate")
    }

    const migration = start("npm", ["run", "db:migrate", "--", "--persist-to", directory])
    expect(await migration.ended).toBe(0)
    expect((await post("/users", { username: "Zoë" }, { authorization })).status).toBe(200)
    expect((await get("/health")).status).toBe(200)
  })
})

describe("npm run demo", () => {
  it("leaves no process and no folder behind when nobody reads what it prints", async () => {
    const env = { ...process.env, TMPDIR: directory }
    const program = start("bash", ["-c", "npm run demo 2>&1 | head -5"], env)
    await program.ended
    await program.isGone()
    expect(program.output()).toContain("Starting Posthorn")
    // Beside what Node and wrangler keep there between runs.
    const left = readdirSync(directory).filter((name) => !/cache|^update-check$/.test(name))
    expect(left).toEqual([])
  })
})

/** Runs a command in a process group of its own, as a shell does for each of its jobs. */
function start(command: string, args: string[], env = process.env) {
  const child = spawn(command, args, { cwd: root, env, detached: true, stdio: ["ignore", "pipe", "pipe"] })
  const group = child.pid ?? 0
  let output = ""
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk))
  const ended = new Promise<number | null>((resolve) => void child.once("close", resolve))
  const program = {
    child,
    output: () => output,
    /** The exit code, once its output is complete: when its last child has let go of it. */
    ended,
    says: (text: string) =>
      until(
        () => output.includes(text),
        () => `${JSON.stringify(text)} in:\n${output}`,
      ),
    isGone: () =>
      until(
        () => livingMembers(group).length === 0,
        () => `the end of ${livingMembers(group).map(({ command }) => command)}`,
      ),
    /** wrangler dev itself, without its launcher, npm's shells and workerd. */
    wranglers: () => livingMembers(group).filter(({ command }) => /cli\.js dev /.test(command)),
    kill(signal: NodeJS.Signals) {
      if (livingMembers(group).length > 0) process.kill(-group, signal)
    },
  }
  running.push(program)
  return program
}

/** Sends the head of a request and three of its ten bytes, and goes. */
async function leaveHalfWay(request: string): Promise<void> {
  const socket = connect(Number(port), "127.0.0.1")
  socket.write(`${request} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Length: 10\r\n\r\nabc`)
  await new Promise((resolve) => setTimeout(resolve, 100))
  await new Promise((resolve) => socket.once("close", resolve).destroy())
}

/** Of a GET /users with exactly these headers, Host included, which fetch would not send. */
function statusOf(port: string, headers: Record<string, string>): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const asked = httpRequest({ host: "127.0.0.1", port, path: "/users", headers })
    asked.once("error", reject).once("response", (answer) => {
      answer.resume()
      resolve(answer.statusCode)
    })
    asked.end()
  })
}

async function until(holds: () => boolean, what: () => string, timeoutMs = 60_000) {
  const deadline = Date.now() + timeoutMs
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`Waited in vain for ${what()}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

async function register(event: string, target: string): Promise<{ secret: string }> {
  const { status, body } = await post("/webhook", { event, url: target })
  expect(status).toBe(200)
  return body as { secret: string }
}

function get(path: string) {
  return request(path)
}

function post(path: string, body: object, headers: Record<string, string> = {}) {
  return request(path, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  })
}

async function request(path: string, init?: RequestInit): Promise<{ status: number; body: unknown }> {
  const response = await fetch(url + path, init)
  const text = await response.text()
  return {
    status: response.status,
    body: response.headers.get("content-type")?.includes("json") ? JSON.parse(text) : text,
  }
}

/** Lets so many bytes through, and then ends. */
function firstBytes(limit: number): TransformStream<Uint8Array, Uint8Array> {
  let left = limit
  return new TransformStream({
    transform(chunk, controller) {
      left -= chunk.byteLength
      controller.enqueue(chunk)
      if (left <= 0) controller.terminate()
    },
  })
}
