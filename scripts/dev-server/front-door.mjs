// What people connect to: a small HTTP server before wrangler dev. wrangler believes a header
// `MF-Original-URL`, whoever sends it, about the Host that was asked for; here it ends, and what has come
// this way carries a secret.
import { once } from "node:events"
import { Agent, createServer, request } from "node:http"
import { pipeline } from "node:stream"

/** What is answered while nobody answers behind the door. */
export const STARTING = "Posthorn is starting; try again in a second"
/**
 * The Worker in open mode takes a request only with this header, which no client can set: see
 * src/http/middleware/open-mode.ts.
 */
const SECRET_HEADER = "posthorn-open-secret"
/** Headers that speak of one connection, and this one ends here. */
const HOP_BY_HOP = /^(connection|keep-alive|proxy-connection|upgrade|expect|te|trailer)$/i
const NEVER_FROM_CLIENTS = /^(mf-.*|posthorn-open-secret)$/i
const MAX_HEADER_BYTES = 64 * 1024
/** workerd closes a connection that has been idle for 5 s; ours is given up before. */
const IDLE_MS = 3_000
const CLIENT_IDLE_MS = 60_000

/**
 * Listens on an address and hands every request on to wherever `leadTo` has pointed last; until then, and
 * while nobody answers there, it answers 503. Rejects as `listen` does.
 */
export async function openFrontDoor(host, port, secret) {
  const agent = new Agent({ keepAlive: true, timeout: IDLE_MS })
  let innerPort

  const server = createServer(
    { maxHeaderSize: MAX_HEADER_BYTES, keepAliveTimeout: CLIENT_IDLE_MS, requestTimeout: 0 },
    (incoming, outgoing) => (innerPort === undefined ? refuse(outgoing) : forward(incoming, outgoing)),
  )
  server.listen(port, host)
  await once(server, "listening")

  function forward(incoming, outgoing) {
    const headers = kept(incoming.rawHeaders, (name) => !NEVER_FROM_CLIENTS.test(name))
    const inner = request({
      host: "127.0.0.1",
      port: innerPort,
      agent,
      method: incoming.method,
      path: incoming.url,
      headers: [...headers, SECRET_HEADER, secret],
      maxHeaderSize: MAX_HEADER_BYTES,
    })
    inner.once("response", (answer) => {
      outgoing.writeHead(answer.statusCode, answer.statusMessage, kept(answer.rawHeaders))
      // Whichever side breaks off, the other one hears of it.
      pipeline(answer, outgoing, () => {})
    })
    // Once there is an answer, its own end decides.
    inner.on("error", () => outgoing.headersSent || refuse(outgoing))
    outgoing.once("close", () => inner.destroy())
    incoming.pipe(inner)
  }

  return {
    leadTo(port) {
      innerPort = port
    },
    close() {
      agent.destroy()
      server.closeAllConnections()
      return new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Raw headers, names and values in turn, less those of the connection and what else is not to be kept. */
function kept(rawHeaders, isKept = (/** @type {string} */ _name) => true) {
  return rawHeaders.filter((_, index) => {
    const name = rawHeaders[index - (index % 2)]
    return !HOP_BY_HOP.test(name) && isKept(name)
  })
}

function refuse(outgoing) {
  outgoing.writeHead(503, { "content-type": "application/json", "retry-after": "1" })
  outgoing.end(JSON.stringify({ detail: STARTING }))
}
