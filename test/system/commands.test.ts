import { existsSync, mkdtempSync, readdirSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { beforeEach, describe, expect, it } from "vitest"

import { findFreePort } from "../../scripts/dev-server.mjs"
import { until, usePlace } from "./program.ts"

const place = usePlace()
/** Of one test alone. */
let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(place.directory, "test-"))
})

/** `npm start` on that folder. */
function npmStart(...args: string[]) {
  return place.start("npm", ["start", "--", "--port", place.port, "--persist-to", folder, ...args])
}

describe("npm start", () => {
  it("lets the person's --var win, says so, and ends on Ctrl-C", async () => {
    const program = npmStart("--var", "AUTH_MODE:token")
    await program.says("Stop with Ctrl-C")
    expect(program.output()).toContain(`Posthorn is up at ${place.url}`)
    expect(program.output()).toContain("Token mode")

    const answer = await place.post("/users", { username: "Zoë" })
    expect(answer.status).toBe(503)
    expect(answer.body).toMatchObject({ detail: expect.stringContaining("API_TOKEN") })

    // A terminal sends it to the whole group.
    program.kill("SIGINT")
    await program.isGone()
  })

  it("leaves no process behind when nobody reads what it prints", async () => {
    const command = `npm start -- --port ${place.port} --persist-to ${folder} 2>&1 | head`
    const program = place.start("bash", ["-c", command])
    await program.ended
    await program.isGone()
    expect(program.output()).toContain("Posthorn is up at")
  })

  it("lets one of two have the folder when they start at the same instant", async () => {
    const ports = [await findFreePort(), await findFreePort()]
    const programs = ports.map((port) => npmStart("--port", String(port)))
    await until(
      () => programs.some((program) => program.output().includes("Posthorn is up at")),
      () => "one to come up",
    )
    await until(
      () => programs.some((program) => program.output().includes("works on the state folder")),
      () => "the other one to give up",
    )
    expect(programs.filter((program) => program.output().includes("Posthorn is up at"))).toHaveLength(1)
    for (const program of programs) program.kill("SIGKILL")
  })

  it("says that another program has the port, and how to choose another one", async () => {
    const occupant = createServer((socket) => socket.destroy()).listen(Number(place.port), "127.0.0.1")
    const program = npmStart()
    expect(await program.ended).toBe(1)
    expect(program.output()).toContain(`Port ${place.port} is taken by another program. Choose another one`)
    expect(program.output()).toContain("npm start -- --port")
    occupant.close()
  })

  it("says that the folder cannot be written", async () => {
    const file = join(folder, "file")
    writeFileSync(file, "")
    const program = npmStart("--persist-to", join(file, "state"))
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
    const state = join(folder, "state")
    const program = place.start("npm", ["start", "--", "--persist-to", state, ...args])
    expect(await program.ended).toBe(code)
    expect(program.output()).toContain(says)
    expect(program.output()).toContain("--persist-to .wrangler/state")
    expect(existsSync(state)).toBe(false)
  })
})

describe("npx wrangler dev", () => {
  it("asks for a token, and says which command migrates a database without tables", async () => {
    const args = ["--port", place.port, "--inspector-port", "0", "--persist-to", folder]
    const program = place.start("npx", ["wrangler", "dev", ...args, "--var", "API_TOKEN:letmein"])
    await program.says("Ready on")
    expect((await place.get("/users")).status).toBe(401)

    const authorization = "Bearer letmein"
    for (const answer of [
      await place.get("/health"),
      await place.post("/users", { username: "Zoë" }, { authorization }),
    ]) {
      expect(answer.status).toBe(503)
      expect(JSON.stringify(answer.body)).toContain("npm run db:migrate")
    }

    const migration = place.start("npm", ["run", "db:migrate", "--", "--persist-to", folder])
    expect(await migration.ended).toBe(0)
    expect((await place.post("/users", { username: "Zoë" }, { authorization })).status).toBe(200)
    expect((await place.get("/health")).status).toBe(200)
    program.kill("SIGKILL")
    await program.isGone()
  })
})

describe("npm run demo", () => {
  it("leaves no process and no folder behind when nobody reads what it prints", async () => {
    const env = { ...process.env, TMPDIR: folder }
    const program = place.start("bash", ["-c", "npm run demo 2>&1 | head -5"], env)
    await program.ended
    await program.isGone()
    expect(program.output()).toContain("Starting Posthorn")
    // Beside what Node and wrangler keep there between runs.
    const left = readdirSync(folder).filter((name) => !/cache|^update-check$/.test(name))
    expect(left).toEqual([])
  })
})
