// What the scripts print, and what becomes of a script when nobody reads it any more.
import { createInterface } from "node:readline"

/** What wrangler dev repeats with every start and reload, or says of the cron, which does fire here. */
const NOISE = [
  { from: /Connection status updated/, to: /./ },
  { from: /^Your Worker has access to the following bindings/, to: /^$/ },
  { from: /Scheduled Workers are not automatically triggered/, to: /For more details/ },
]

/** Calls back for each line of a process's output, less the noise. */
export function onLines(child, callback) {
  for (const stream of [child.stdout, child.stderr]) {
    let until
    createInterface({ input: stream }).on("line", (line) => {
      const quiet = until !== undefined
      until ??= NOISE.find(({ from }) => from.test(line))?.to
      const isNoise = quiet || until !== undefined
      if (until?.test(line)) until = undefined
      if (!isNoise) callback(line)
    })
  }
}

/** Calls back when whoever read our output has gone, as `head` does: from then on what we print is lost. */
export function onOutputClosed(callback) {
  for (const stream of [process.stdout, process.stderr]) stream.on("error", callback)
}
