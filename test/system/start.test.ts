import { readFileSync } from "node:fs"
import { request as httpRequest } from "node:http"
import { connect } from "node:net"
import { join } from "node:path"
import { Webhook } from "standardwebhooks"
import { beforeAll, describe, expect, it } from "vitest"

import { type Program, usePlace } from "./program.ts"

// One system, from its first line to its end: each test finds it up, and leaves it so.
describe("npm start", () => {
  const place = usePlace()
  let program: Program

  beforeAll(async () => {
    program = place.npmStart()
    await program.says("Stop with Ctrl-C")
  })

  it("prints a few lines and then its banner, and nothing that wrangler says with every start", async () => {
    // The sweep has been run without waiting for the first minute.
    await program.says(" sweep ")
    const [before = "", after = ""] = program.output().split(`Posthorn is up at ${place.url}`)
    expect(before.split("\n").length).toBeLessThanOrEqual(10)
    expect(after).toMatch(new RegExp(`Health +${place.url}/health`))
    expect(after).toContain("Open: no token is asked for")
    expect(program.output()).not.toMatch(/hidden|bindings|not automatically triggered/)
  })

  it("brings up a system that delivers signed events, and takes a refused body", async () => {
    const { body } = await place.post("/webhook", { event: "user_registered", url: place.receiver.url })
    const user = await place.post("/users", { username: "Zoë" })
    const request = await place.receiver.arrival(() => true)
    const sent = new Webhook((body as { secret: string }).secret).verify(request.body, request.headers)
    expect(sent).toEqual({ event: "user_registered", data: user.body })

    // A body refused half read, its length unknown, must not end the server.
    const zeros = { pull: (body: ReadableStreamDefaultController) => body.enqueue(new Uint8Array(64 * 1024)) }
    const large = new ReadableStream(zeros).pipeThrough(firstBytes(2 * 1024 * 1024))
    const init = { method: "POST", body: large, duplex: "half" } as RequestInit
    expect((await fetch(`${place.url}/users`, init)).status).toBe(413)
    expect((await place.get("/health")).status).toBe(200)
  })

  it("is still up after three bursts of 100 requests and three clients that left half way", async () => {
    for (const burst of ["a", "b", "c"]) {
      const names = Array.from({ length: 100 }, (_, index) => `${burst}${index}`)
      const answers = await Promise.all(names.map((username) => place.post("/users", { username })))
      expect(answers.map(({ status }) => status)).toEqual(names.map(() => 200))
      await leaveHalfWay(place.port, burst === "a" ? "GET /health" : "POST /users")
    }
    expect((await place.get("/health")).status).toBe(200)
    expect(program.output()).not.toContain("ended by itself")
  })

  it("leaves a database that wrangler, too, takes for up to date", async () => {
    const migration = place.start("npm", ["run", "db:migrate", "--", "--persist-to", place.directory])
    expect(await migration.ended).toBe(0)
    expect(migration.output()).toContain("No migrations to apply")
  })

  it("in open mode believes no client about the Host that it asked for", async () => {
    const { port } = place
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

  it("says to a second one which process works on the folder, and that a Posthorn has the port", async () => {
    const pid = readFileSync(join(place.directory, "posthorn.pid"), "utf8").split(" ")[0]
    expect(Number(pid)).toBeGreaterThan(1)
    const second = place.npmStart()
    expect(await second.ended).toBe(1)
    const { port, url, directory } = place
    expect(second.output()).toContain(`Port ${port} is taken by a Posthorn that is up already: ${url}`)
    expect(second.output()).toContain(`Process ${pid} (${url}) works on the state folder ${directory}`)
    expect((await place.get("/health")).status).toBe(200)
  })

  it("starts a wrangler again that ended by itself, says so, and has kept what it took", async () => {
    const { body } = await place.post("/users", { username: "kept" })
    const [wrangler] = program.wranglers()
    process.kill(wrangler?.pid ?? 0, "SIGKILL")
    await program.says("wrangler dev ended by itself")
    const detail = expect.stringContaining("is starting")
    expect((await place.get("/health")).body).toMatchObject({ detail })
    await program.says("wrangler dev is up again")
    expect((await place.get("/users")).body).toContainEqual(body)
  })

  it("ends with all its children on SIGTERM", async () => {
    program.child.kill("SIGTERM")
    await program.ended
    await program.isGone()
  })
})

/** Sends the head of a request and three of its ten bytes, and goes. */
async function leaveHalfWay(port: string, request: string): Promise<void> {
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
