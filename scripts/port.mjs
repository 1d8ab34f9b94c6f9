// Ports of this machine.
import { createServer } from "node:net"

/**
 * A port of loopback that nobody listens on.
 * @returns {Promise<number>}
 */
export function findFreePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const port = portOf(server)
      server.close(() => resolve(port))
    })
  })
}

/**
 * The port that a server listens on.
 * @param {import("node:net").Server} server
 */
export function portOf(server) {
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("The server listens on no port")
  return address.port
}
