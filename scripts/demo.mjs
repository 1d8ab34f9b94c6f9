// npm run demo: the real system and a real receiver, from registering a webhook to verified signatures.
// Exits 0 only if everything that it tells of has happened.
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"

import { invoices } from "./demo/invoices.mjs"
import { uploads } from "./demo/uploads.mjs"
import { users } from "./demo/users.mjs"
import { findFreePort, startServer } from "./dev-server.mjs"
import { onOutputClosed } from "./output.mjs"
import { startReceiver } from "./receiver.mjs"

/** Each family's steps, in order; a step that throws ends the demo. */
const families = [users, invoices, uploads]

const stopping = new AbortController()
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => stopping.abort())
onOutputClosed(() => stopping.abort())

const directory = await mkdtemp(join(tmpdir(), "posthorn-demo-"))
const receiver = await startReceiver()
let server
try {
  console.log("Starting Posthorn …")
  const port = String(await findFreePort())
  // A quick schedule, so that a retry can be watched.
  const args = ["--port", port, "--persist-to", directory, "--var", "RETRY_SCHEDULE:1,1,2"]
  server = await startServer({ args, signal: stopping.signal })
  console.log(`Posthorn is at ${server.url}, a receiver at ${receiver.url}`)

  const world = {
    receiver,
    secrets: new Map(),
    call: (...request) => call(server.url, ...request),
    fetch: (path) => fetch(server.url + path),
  }
  for (const { title, steps } of families) {
    console.log(`\n${title}`)
    for (const [shows, run] of steps) {
      stopping.signal.throwIfAborted()
      const lines = await run(world)
      console.log(`  ✓ ${shows}`)
      for (const line of lines) console.log(`      ${line}`)
    }
  }
  console.log("\nAll of it arrived, and every signature verifies.")
} catch (error) {
  // Whoever has stopped it, or no longer reads it, wants no explanation.
  if (!stopping.signal.aborted) console.error(`\n✗ ${error.stack ?? error}\n${server?.output() ?? ""}`)
  process.exitCode = 1
} finally {
  await server?.stop()
  await receiver.close()
  await rm(directory, { recursive: true, force: true })
}

/** Calls the API as any client would, with JSON or a form, and answers the body of a success. */
async function call(url, method, path, body, headers = {}) {
  const isForm = body instanceof FormData
  const response = await fetch(url + path, {
    method,
    headers: { ...(!isForm && { "content-type": "application/json" }), ...headers },
    ...(body !== undefined && { body: isForm ? body : JSON.stringify(body) }),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${text}`)
  return text === "" ? null : JSON.parse(text)
}
