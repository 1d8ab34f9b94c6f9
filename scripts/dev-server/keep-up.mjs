// wrangler dev ends by itself now and then; here it is started again.
import { findFreePort } from "../port.mjs"
import { startWrangler } from "./run.mjs"

/** A wrangler that ends again and again within this time would end for ever. */
const RESTARTS = { most: 5, withinMs: 60_000 }
/** What is kept of the output until somebody asks for it. */
const KEPT_LINES = 1_000

/**
 * Resolves once wrangler dev answers behind the door, and from then on starts it again whenever it ends by
 * itself. `exited` resolves to a code when it was stopped, or when there is no keeping it up.
 */
export async function keepWranglerUp(args, { door, say, signal }) {
  const stopping = new AbortController()
  const log = createLog()
  let run

  async function launch() {
    run = startWrangler(args, await findFreePort())
    const { stop } = run
    stopping.signal.addEventListener("abort", () => void stop(), { once: true })
    if (stopping.signal.aborted) void stop()
    await run.ready
    run.onLine(log.add)
    door.leadTo(run.port)
  }

  async function keepUp() {
    let ends = []
    for (;;) {
      const code = await run.exited
      door.leadTo(undefined)
      if (stopping.signal.aborted) return code
      ends = [...ends.filter((at) => at > Date.now() - RESTARTS.withinMs), Date.now()]
      if (ends.length > RESTARTS.most) {
        say(`wrangler dev ended ${ends.length} times within a minute; it is not started again.`)
        return code || 1
      }
      say(`wrangler dev ended by itself with code ${code}; starting it again …`)
      try {
        await launch()
      } catch (error) {
        if (!stopping.signal.aborted) say(error.message)
        return 1
      }
      say("wrangler dev is up again.")
    }
  }

  signal?.addEventListener("abort", () => stopping.abort())
  if (signal?.aborted) stopping.abort()
  await launch()
  return {
    exited: keepUp(),
    stop: () => stopping.abort(),
    kill: () => run.kill(),
    output: log.text,
    show: log.show,
  }
}

/** Keeps the last lines until somebody wants them shown as they come. */
function createLog() {
  let lines = []
  let print
  return {
    add(line) {
      if (print) print(line)
      else lines = [...lines.slice(1 - KEPT_LINES), line]
    },
    text: () => lines.join("\n"),
    show(how) {
      print = how
      for (const line of lines) print(line)
      lines = []
    },
  }
}
