import { spawn } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { createServer } from "node:http"
import { createServer as createTcpServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Webhook } from "standardwebhooks"
import { afterEach, beforeEach, describe, expect, it } from "vitest"

import { findFreePort } from "../../scripts/dev-server.mjs"
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
    await program.says('"unit":"sweep"')

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

  it("says which port is taken, and how to choose another one", async () => {
    const occupant = createTcpServer().listen(Number(port), "127.0.0.1")
    const program = start("npm", ["start", "--", "--port", port])
    expect(await program.ended).toBe(1)
    expect(program.output()).toContain(`Port ${port} is taken. Choose another one`)
    expect(program.output()).toContain("npm start -- --port")
    occupant.close()
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
  it("is open too, and says which command migrates a database without tables", async () => {
    const program = start("npx", [
      "wrangler",
      "dev",
      "--port",
      port,
      "--inspector-port",
      "0",
      "--persist-to",
      directory,
    ])
    await program.says("Ready on")

    for (const answer of [await get("/health"), await post("/users", { username: "Zoë" })]) {
      expect(answer.status).toBe(503)
      expect(JSON.stringify(answer.body)).toContain("npm run db:migrate")
    }

    const migration = start("npm", ["run", "db:migrate", "--", "--persist-to", directory])
    expect(await migration.ended).toBe(0)
    expect((await post("/users", { username: "Zoë" })).status).toBe(200)
    expect((await get("/health")).status).toBe(200)
  })
})

/** Runs a command in a process group of its own, as a shell does for each of its jobs. */
function start(command: string, args: string[]) {
  const child = spawn(command, args, { cwd: root, detached: true, stdio: ["ignore", "pipe", "pipe"] })
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
        () => `the end of ${livingMembers(group)}`,
      ),
    kill(signal: NodeJS.Signals) {
      if (livingMembers(group).length > 0) process.kill(-group, signal)
    },
  }
  running.push(program)
  return program
}

/** The names of the processes of a group that have not ended. (Linux; a process whose end nobody took note of has.) */
function livingMembers(group: number): string[] {
  const members: string[] = []
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const [, name = "", state, , pgrp] =
        /^\d+ \((.*)\) (\S) (\d+) (\d+)/s.exec(readFileSync(`/proc/${pid}/stat`, "utf8")) ?? []
      if (Number(pgrp) === group && state !== "Z" && state !== "X") members.push(name)
    } catch {
      // It ended while we looked.
    }
  }
  return members
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

function post(path: string, body: object) {
  return request(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
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
