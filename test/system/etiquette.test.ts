import { mkdtempSync, rmSync } from "node:fs"
import { createServer, type Server, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, expect, it } from "vitest"

import { findFreePort, startServer } from "../../scripts/dev-server.mjs"
import { until } from "./program.ts"

const TIMEOUT_MS = 5_000
const SETTINGS = { ATTEMPT_TIMEOUT_MS: String(TIMEOUT_MS), RETRY_SCHEDULE: "600" }

const directory = mkdtempSync(join(tmpdir(), "posthorn-etiquette-"))
const servers: Server[] = []
let system: Awaited<ReturnType<typeof startServer>>

beforeAll(async () => {
  const vars = Object.entries(SETTINGS).flatMap(([name, value]) => ["--var", `${name}:${value}`])
  const args = ["--port", String(await findFreePort()), "--persist-to", join(directory, "state"), ...vars]
  system = await startServer({ args })
})
afterAll(async () => {
  await system?.stop()
  for (const server of servers) server.close()
  rmSync(directory, { recursive: true, force: true })
})

interface Exchange {
  attempt: { responseDurationMs: number; statusText: string }
  response: {
    status: number
    headers: { name: string; value: string }[]
    body: string
    bodyCut: boolean
  } | null
  error: string | null
}

// Beside each other, for several take as long as the timeout.
it.concurrent("keeps of a body that never ends what it keeps, and reads no further", async () => {
  let sent = 0
  let closed: () => void = () => {}
  const isClosed = new Promise<void>((resolve) => {
    closed = resolve
  })
  const url = await receive((socket) => {
    socket.on("close", closed)
    socket.write("HTTP/1.1 200 OK\r\nx-endless: yes\r\ntransfer-encoding: chunked\r\n\r\n")
    const chunk = `1000\r\n${"x".repeat(4096)}\r\n`
    const more = () => {
      while (!socket.destroyed && socket.write(chunk)) sent += 4096
    }
    socket.on("drain", more)
    more()
  })
  const { attempt, response } = await exchangeWith(url)
  expect(response).toMatchObject({ status: 200, body: "x".repeat(1024), bodyCut: true })
  expect(response?.headers).toContainEqual({ name: "x-endless", value: "yes" })
  expect(attempt.statusText).toBe("success")
  expect(attempt.responseDurationMs).toBeLessThan(TIMEOUT_MS)
  // The receiver is told: it can stop.
  await isClosed
  expect(sent).toBeLessThan(64 * 1024 * 1024)
})

it.concurrent("waits for a body that trickles for the rest of the timeout, and believes the status that came first", async () => {
  const url = await receive((socket) => {
    socket.write("HTTP/1.1 202 Accepted\r\ncontent-length: 100000\r\n\r\n")
    const timer = setInterval(() => socket.write("."), 100)
    socket.on("close", () => clearInterval(timer))
  })
  const { attempt, response } = await exchangeWith(url)
  expect(response).toMatchObject({ status: 202, body: expect.stringMatching(/^\.{5,}$/) })
  expect(attempt.statusText).toBe("success")
  expect(attempt.responseDurationMs).toBeGreaterThan(TIMEOUT_MS - 500)
  expect(attempt.responseDurationMs).toBeLessThan(2 * TIMEOUT_MS)
})

it.concurrent("waits for headers that trickle no longer than the timeout", async () => {
  const url = await receive((socket) => {
    socket.write("HTTP/1.1 200 OK\r\nx: ")
    const timer = setInterval(() => socket.write("x"), 100)
    socket.on("close", () => clearInterval(timer))
  })
  const { attempt, response, error } = await exchangeWith(url)
  expect([response, error]).toEqual([null, "Timed out"])
  expect(attempt.responseDurationMs).toBeLessThan(2 * TIMEOUT_MS)
})

// What interim answers come to is the runtime's doing: a version with other manners makes these fail, and the README's words too.
it.concurrent("passes over interim answers, and takes the final one", async () => {
  const interim =
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
  for (const final of [200, 410]) {
    const url = await receive((socket) => {
      socket.write(interim)
      setTimeout(
        () => socket.end(`HTTP/1.1 ${final} Final\r\nx-final: yes\r\ncontent-length: 2\r\n\r\nok`),
        100,
      )
    })
    const { response } = await exchangeWith(url)
    expect(response).toMatchObject({ status: final, body: "ok" })
    expect(response?.headers).toContainEqual({ name: "x-final", value: "yes" })
    expect(response?.headers.map(({ name }) => name)).not.toContain("link")
  }
})

it.concurrent("gives interim answers without a final one no more than the timeout", async () => {
  const url = await receive((socket) => {
    const timer = setInterval(() => socket.write("HTTP/1.1 100 Continue\r\n\r\n"), 50)
    socket.on("close", () => clearInterval(timer))
  })
  const { attempt, response, error } = await exchangeWith(url)
  expect([response, error]).toEqual([null, "Timed out"])
  expect(attempt.responseDurationMs).toBeLessThan(2 * TIMEOUT_MS)
})

it.concurrent("takes a 101 for a failure, and says what is wrong with it", async () => {
  const url = await receive((socket) => {
    socket.write("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n")
    setTimeout(() => socket.end(), 100)
  })
  const { attempt, response, error } = await exchangeWith(url)
  expect(response?.status).toBe(101)
  expect(error).toMatch(/^The receiver answered with an interim status/)
  expect(attempt.statusText).toBe("fail")
})

let applications = 0

/** What the system keeps of the one attempt it makes at this URL. */
async function exchangeWith(url: string): Promise<Exchange> {
  const app = `/api/v1/app/app-${++applications}`
  await call("/api/v1/app", { name: "App", uid: `app-${applications}` })
  await call(`${app}/endpoint`, { url })
  const { id } = await call<{ id: string }>(`${app}/msg`, { eventType: "t", payload: {} })
  let attempts: { id: string }[] = []
  // Not expect.poll, which knows its test only as long as no other one runs beside it.
  await until(
    async () => {
      attempts = (await call<{ data: { id: string }[] }>(`${app}/attempt/msg/${id}`)).data
      return attempts.length > 0
    },
    () => `no attempt at ${url}`,
  )
  expect(attempts).toHaveLength(1)
  return call(`${app}/msg/${id}/attempt/${attempts[0]?.id}/exchange`)
}

/** A receiver that does this with the connection once a request has begun to arrive; answers its URL. */
function receive(handle: (socket: Socket) => void): Promise<string> {
  const server = createServer((socket) => {
    socket.on("error", () => {})
    socket.once("data", () => handle(socket))
  })
  servers.push(server)
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      resolve(`http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}/`)
    })
  })
}

async function call<Answer>(path: string, body?: object): Promise<Answer> {
  const init = body && {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  }
  const response = await fetch(system.url + path, init)
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
  return response.json() as Promise<Answer>
}
