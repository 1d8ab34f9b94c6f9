import { createServer } from "node:http"
import { expect, it } from "vitest"

import { findFreePort } from "../../scripts/dev-server.mjs"
import { startReceiver } from "../../scripts/receiver.mjs"
import { usePlace } from "./program.ts"

/** Long enough to be killed within; a claim holds for twice as long and 30 s. */
const SILENT_MS = 1_500
const PATIENCE_MS = 90_000

const place = usePlace()

it("npm start delivers after the next start what a kill left undelivered", async () => {
  const settings = ["--var", `ATTEMPT_TIMEOUT_MS:${SILENT_MS}`]
  const first = place.npmStart(...settings)
  await first.says(`Posthorn is up at ${place.url}`)
  // One receiver is down. The other one takes a request and says nothing: its event is in somebody's hands.
  const [downPort, silentPort] = [await findFreePort(), await findFreePort()]
  await register("user_registered", `http://127.0.0.1:${downPort}/`)
  await register("user_send_message", `http://127.0.0.1:${silentPort}/`)
  const silent = createServer().listen(silentPort, "127.0.0.1")
  const heard = new Promise((resolve) => silent.once("request", resolve))
  const names = ["alice", "bob", "carol"]
  for (const username of names) await place.post("/users", { username })
  await place.post("/users/messages", { sender: "alice", recipient: "bob", subject: "", message: "" })
  await heard

  first.kill("SIGKILL")
  await first.isGone()
  silent.closeAllConnections()
  await new Promise((resolve) => silent.close(resolve))
  const [up, listening] = [await startReceiver(downPort), await startReceiver(silentPort)]
  const second = place.npmStart(...settings)
  await second.says(`Posthorn is up at ${place.url}`)

  // The claim on the event in flight has to run out first. Sweeping more often than once a minute changes nothing else.
  const sweeping = setInterval(() => void place.get("/cdn-cgi/handler/scheduled?cron=*+*+*+*+*"), 1_000)
  try {
    await Promise.all([
      ...names.map((name) => up.arrival(({ body }) => JSON.parse(body).data.username === name, PATIENCE_MS)),
      listening.arrival(({ body }) => JSON.parse(body).event === "user_send_message", PATIENCE_MS),
    ])
  } finally {
    clearInterval(sweeping)
    await Promise.all([up.close(), listening.close()])
  }
})

async function register(event: string, url: string): Promise<void> {
  expect((await place.post("/webhook", { event, url })).status).toBe(200)
}
