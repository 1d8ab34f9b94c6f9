import { spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll } from "vitest"

import { findFreePort } from "../../scripts/dev-server.mjs"
import { livingMembers } from "../../scripts/processes.mjs"
import { startReceiver } from "../../scripts/receiver.mjs"

const root = join(import.meta.dirname, "../..")
const PATIENCE_MS = 90_000
const POLL_MS = 50

export type Program = ReturnType<typeof startProgram>

/** Where programs run: a folder and a port that are free, and a receiver. */
export interface Place {
  directory: string
  port: string
  url: string
  receiver: Awaited<ReturnType<typeof startReceiver>>
  /** Runs a command as `startProgram` does, until the place is left. */
  start(command: string, args: readonly string[], env?: NodeJS.ProcessEnv): Program
  /** `npm start` with the port and the folder of the place, and these arguments. */
  npmStart(...args: string[]): Program
  get(path: string): Promise<Answer>
  post(path: string, body: object, headers?: Record<string, string>): Promise<Answer>
}

export interface Answer {
  status: number
  body: unknown
}

/** A place for the tests that stand beside the call; what they started is ended behind the last of them. */
export function usePlace(): Place {
  const place = {} as Place
  const running: Program[] = []

  beforeAll(async () => {
    const port = String(await findFreePort())
    Object.assign(place, {
      directory: mkdtempSync(join(tmpdir(), "posthorn-start-")),
      port,
      url: `http://127.0.0.1:${port}`,
      receiver: await startReceiver(),
    })
  })
  afterAll(async () => {
    for (const program of running) program.kill("SIGKILL")
    await place.receiver.close()
    rmSync(place.directory, { recursive: true, force: true })
  })

  function start(command: string, args: readonly string[], env?: NodeJS.ProcessEnv): Program {
    const program = startProgram(command, args, env)
    running.push(program)
    return program
  }
  async function request(path: string, init?: RequestInit): Promise<Answer> {
    const response = await fetch(place.url + path, init)
    const text = await response.text()
    const isJson = response.headers.get("content-type")?.includes("json")
    return { status: response.status, body: isJson ? JSON.parse(text) : text }
  }
  return Object.assign(place, {
    start,
    npmStart: (...args: string[]) =>
      start("npm", ["start", "--", "--port", place.port, "--persist-to", place.directory, ...args]),
    get: (path: string) => request(path),
    post: (path: string, body: object, headers: Record<string, string> = {}) =>
      request(path, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: JSON.stringify(body),
      }),
  })
}

/** Runs a command in a process group of its own, as a shell does for each of its jobs. */
function startProgram(command: string, args: readonly string[], env = process.env) {
  const child = spawn(command, args, { cwd: root, env, detached: true, stdio: ["ignore", "pipe", "pipe"] })
  const group = child.pid ?? 0
  let output = ""
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk))
  const ended = new Promise<number | null>((resolve) => void child.once("close", resolve))
  return {
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
}

/** Waits until something holds; throws, with what it was, when that takes too long. */
export async function until(holds: () => boolean | Promise<boolean>, what: () => string): Promise<void> {
  const giveUpAt = Date.now() + PATIENCE_MS
  while (!(await holds())) {
    if (Date.now() > giveUpAt) throw new Error(`Waited in vain for ${what()}`)
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}
