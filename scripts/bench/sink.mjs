// A receiver in a process of its own, which tells its parent what arrived when. How it answers a POST is the
// first step of the path: /ok/… with 200, /fail/… with 500, /slow-2000/… with 200 after so many ms, /reset/…
// breaks the connection off, /hang/… never says anything.
import { createServer } from "node:http"
import { text } from "node:stream/consumers"

import { portOf } from "../port.mjs"
import { now } from "./now.mjs"

/** What arrived of each run: the event's number, the time and the path. */
const arrivals = new Map()

const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  receive(request, response).catch(() => response.destroy())
})

async function receive(request, response) {
  const at = now()
  const [, run, event] = /"mark":"(\w+)-(\d+)"/.exec(await text(request)) ?? []
  if (run !== undefined) {
    if (!arrivals.has(run)) arrivals.set(run, [])
    arrivals.get(run).push([Number(event), at, request.url])
  }
  const [, manner, ms] = /^\/([a-z]+)(?:-(\d+))?/.exec(request.url) ?? []
  if (manner === "hang") return
  if (manner === "reset") response.destroy()
  else setTimeout(() => answer(response, manner === "fail" ? 500 : 200), Number(ms ?? 0))
}

function answer(response, status) {
  response.writeHead(status, { "content-type": "application/json", "content-length": 11 }).end('{"ok":true}')
}

const tell = (message) => process.send?.(message)

server.listen(0, "127.0.0.1", () => tell({ port: portOf(server) }))
process.on("message", (/** @type {{ run: string, count?: boolean }} */ { run, count }) => {
  const seen = arrivals.get(run) ?? []
  tell(count ? { count: seen.length } : { arrivals: seen })
})
// Ends with its parent, whatever becomes of that: a signal from the terminal reaches both.
process.on("disconnect", () => process.exit())
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => {})
