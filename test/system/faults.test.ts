import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { createServer, type Server, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createServer as createTlsServer } from "node:tls"
import { afterAll, beforeAll, expect, it } from "vitest"

import { findFreePort, startServer } from "../../scripts/dev-server.mjs"

/** What receivers do wrong over plain HTTP, as they see it once a request has begun to arrive. */
const FAULTS: Record<string, (socket: Socket) => void> = {
  "closes at once": (socket) => void socket.end(),
  resets: (socket) => void socket.resetAndDestroy(),
  "is no HTTP": says("this is not http\r\n\r\n"),
  "is HTTP/2": says("\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0d"),
  "has no status": says("HTTP/1.1\r\n\r\n"),
  "has a status of letters": says("HTTP/1.1 abc OK\r\n\r\n"),
  "has a header without a colon": says("HTTP/1.1 200 OK\r\nno colon\r\ncontent-length: 0\r\n\r\n"),
  "has a NUL in a header": says("HTTP/1.1 200 OK\r\nx: a\0b\r\ncontent-length: 0\r\n\r\n"),
  "has a megabyte of headers": says(`HTTP/1.1 200 OK\r\nx: ${"a".repeat(1_000_000)}\r\n\r\n`),
  "ends within its headers": says("HTTP/1.1 200 OK\r\nx: a"),
  "has a length of letters": says("HTTP/1.1 200 OK\r\ncontent-length: abc\r\n\r\n"),
  "has two lengths": says("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"),
}

/** These have said 200 by the time they go wrong: the receiver has made up its mind. */
const BODIES: Record<string, (socket: Socket) => void> = {
  "is shorter than its length": says("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nab"),
  "has a chunk of letters": says("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nab"),
  "ends within a chunk": says("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab"),
  "is no gzip": says("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc"),
}

const directory = mkdtempSync(join(tmpdir(), "posthorn-faults-"))
const servers: Server[] = []
let system: Awaited<ReturnType<typeof startServer>>

beforeAll(async () => {
  const args = ["--port", String(await findFreePort()), "--persist-to", join(directory, "state")]
  system = await startServer({ args })
})
afterAll(async () => {
  await system?.stop()
  for (const server of servers) server.close()
  rmSync(directory, { recursive: true, force: true })
})

it("says of each fault of a receiver what can be known of it, and blames no name and no TLS for an answer", async () => {
  const places = new Map<string, string>()
  for (const [fault, handle] of Object.entries({ ...FAULTS, ...BODIES }))
    places.set(`http://127.0.0.1:${await listen(createServer(handle))}/`, fault)
  const plain = await listen(createServer(says("HTTP/1.1 200 OK\r\n\r\n")))
  places.set(`https://127.0.0.1:${plain}/`, "speaks no TLS")
  places.set(`https://127.0.0.1:${await listen(createTlsServer(selfSigned()))}/`, "is its own authority")
  places.set("http://no-such-name.invalid/", "has no address")
  places.set(`http://127.0.0.1:${await findFreePort()}/`, "does not listen")
  for (const url of places.keys()) await post("/webhook", { event: "user_registered", url })

  const answer = await post("/ping")
  const told = Object.fromEntries(
    [...answer.successful_webhooks, ...answer.failed_webhooks].map(({ url, status_code, error }) => [
      places.get(url),
      status_code ?? error,
    ]),
  )
  const of = (faults: object, what: unknown) => Object.fromEntries(Object.keys(faults).map((f) => [f, what]))
  expect(told).toEqual({
    ...of(FAULTS, expect.stringMatching(/^(Connection refused|Malformed answer)$/)),
    ...of(BODIES, 200),
    "speaks no TLS": "Name or TLS error",
    "is its own authority": "Name or TLS error",
    "has no address": "Name or TLS error",
    "does not listen": "Connection refused",
  })
})

/** A receiver that answers these bytes, whatever it is asked, and ends. */
function says(text: string) {
  return (socket: Socket) => {
    socket.on("error", () => {})
    socket.once("data", () => socket.end(text, "latin1"))
  }
}

function listen(server: Server): Promise<number> {
  servers.push(server)
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      resolve(typeof address === "object" && address ? address.port : 0)
    })
  })
}

function selfSigned() {
  const [key, cert] = [join(directory, "key.pem"), join(directory, "cert.pem")]
  const options = ["-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
  execFileSync("openssl", ["req", "-x509", ...options, "-keyout", key, "-out", cert], { stdio: "ignore" })
  return { key: readFileSync(key), cert: readFileSync(cert) }
}

interface Pinged {
  successful_webhooks: { url: string; status_code: number; error?: undefined }[]
  failed_webhooks: { url: string; status_code: number | null; error: string }[]
}

async function post(path: string, body?: object): Promise<Pinged> {
  const init = body && { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }
  const response = await fetch(system.url + path, { method: "POST", ...init })
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
  return response.json() as Promise<Pinged>
}
