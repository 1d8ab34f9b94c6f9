// npm run bench [-- --quick | --json]: how many events this machine accepts and delivers with what `npm
// start` runs, and beside it the ceiling: a bare Worker of one insert and one send (bench/ceiling)
// under the same wrangler. Each pair of runs comes one after the other, so that whatever else the
// machine does is in both.
import { mkdtempSync, rmSync } from "node:fs"
import { cpus, tmpdir } from "node:os"
import { join } from "node:path"

import { createApplication } from "./bench/api.mjs"
import { readFlags } from "./bench/flags.mjs"
import { messageTarget, putLoad, startSink } from "./bench/load.mjs"
import { commit, load } from "./bench/machine.mjs"
import { table } from "./bench/table.mjs"
import { findFreePort, StartError, startServer } from "./dev-server.mjs"

const flags = readFlags(["quick", "json"])

const CONNECTIONS = [1, 16, 64]
const ENDPOINTS = [1, 4]
const LIMITS = flags.quick
  ? { events: 128, acceptMs: 2_000, deliverMs: 5_000, totalMs: 30_000 }
  : { events: 400, acceptMs: 8_000, deliverMs: 20_000, totalMs: 180_000 }
const JSON_TYPE = { "content-type": "application/json" }

const stopping = new AbortController()
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => stopping.abort())

const loadBefore = load()
let runs = 0
const folder = mkdtempSync(join(tmpdir(), "posthorn-bench-"))
const sink = await startSink()
const posthorn = system("posthorn", [], prepareApplications)
const ceiling = system(
  "ceiling",
  ["--config", join("scripts", "bench", "ceiling", "wrangler.toml")],
  bareTargets,
)

try {
  await posthorn.up()
  await ceiling.up()
  const endAt = Date.now() + LIMITS.totalMs
  const cells = []
  for (const endpoints of ENDPOINTS) {
    for (const connections of CONNECTIONS) {
      if (Date.now() > endAt || stopping.signal.aborted) continue
      const ours = await measure(posthorn, { connections, endpoints })
      cells.push({
        connections,
        endpoints,
        ...ours,
        ceiling: await measure(ceiling, { connections, endpoints }),
      })
    }
  }
  if (stopping.signal.aborted) process.exitCode = 130
  else report(cells.map(withRatios))
  if (cells.length < ENDPOINTS.length * CONNECTIONS.length) console.error("There was no time for the rest.")
} catch (error) {
  if (stopping.signal.aborted) process.exitCode = 130
  else if (error instanceof StartError) console.error(error.message)
  else throw error
  process.exitCode ??= 1
} finally {
  await Promise.all([posthorn.stop(), ceiling.stop()])
  sink.stop()
  rmSync(folder, { recursive: true, force: true })
}

/** A server that is started when it is first needed, and again when it has ended by itself. */
function system(name, args, prepare) {
  let server
  let ended = false
  let targets
  async function up() {
    if (server && !ended) return targets
    const port = await findFreePort()
    const storage = ["--persist-to", join(folder, name), "--port", String(port)]
    server = await startServer({ args: [...args, ...storage], signal: stopping.signal })
    ended = false
    void server.exited.then(() => (ended = true))
    targets = await prepare(server.url)
    // What runs for the first time is compiled on the way.
    for (const endpoints of ENDPOINTS)
      await putLoad(loadOf(targets, { connections: 4, endpoints }, { events: 40 }))
    return targets
  }
  return { name, up, hasEnded: () => ended, stop: async () => server && !ended && (await server.stop()) }
}

/** One run; null when the server ended under it. */
async function measure(one, shape) {
  const targets = await one.up()
  const result = await putLoad(loadOf(targets, shape, LIMITS))
  if (one.hasEnded()) console.error(`${one.name}: wrangler dev ended under ${shape.connections} connections`)
  return one.hasEnded() ? null : result
}

function loadOf(targets, shape, limits) {
  // A run is told apart from all others by its name.
  runs++
  const target = targets[shape.endpoints]
  return { ...LIMITS, ...limits, ...shape, run: `r${runs}`, sink, target, signal: stopping.signal }
}

/** An application for each number of endpoints, all of them at the sink. */
async function prepareApplications(url) {
  const targets = {}
  for (const endpoints of ENDPOINTS) {
    const { id } = await createApplication(url, {
      name: `bench ${endpoints}`,
      endpoints: sinkUrls(endpoints),
    })
    targets[endpoints] = messageTarget(url, id)
  }
  return targets
}

async function bareTargets(url) {
  return Object.fromEntries(
    ENDPOINTS.map((endpoints) => [
      endpoints,
      { ...messageTarget(url, ""), url, headers: { ...JSON_TYPE, "x-urls": sinkUrls(endpoints).join(" ") } },
    ]),
  )
}

function sinkUrls(endpoints) {
  return Array.from({ length: endpoints }, (_, n) => `${sink.url}/ok/${n}`)
}

function withRatios(cell) {
  const { accepted, ceiling } = cell
  const ratio = (figure) => (accepted && ceiling ? cell[figure] / ceiling[figure] : null)
  return { ...cell, acceptOfCeiling: ratio("acceptPerSecond"), deliverOfCeiling: ratio("deliverPerSecond") }
}

function report(cells) {
  const machine = { cores: cpus().length, loadBefore, loadAfter: load(), commit: commit() }
  if (flags.json) {
    console.log(JSON.stringify({ machine, cells }, null, 2))
    return
  }
  const of = (cell, figure) => cell?.[figure] ?? null
  console.log(
    table(
      [
        "connections",
        "endpoints",
        "accept/s",
        "of ceiling",
        "deliver/s",
        "of ceiling",
        "lag p50 ms",
        "p99 ms",
        "refused",
        "missing",
        "ceiling: accept/s",
        "deliver/s",
        "p50 ms",
        "p99 ms",
      ],
      cells.map((cell) => [
        cell.connections,
        cell.endpoints,
        of(cell, "acceptPerSecond"),
        cell.acceptOfCeiling,
        of(cell, "deliverPerSecond"),
        cell.deliverOfCeiling,
        of(cell, "lagP50Ms"),
        of(cell, "lagP99Ms"),
        of(cell, "refused"),
        of(cell, "missing"),
        of(cell.ceiling, "acceptPerSecond"),
        of(cell.ceiling, "deliverPerSecond"),
        of(cell.ceiling, "lagP50Ms"),
        of(cell.ceiling, "lagP99Ms"),
      ]),
    ),
  )
  const { cores, commit: id, loadAfter } = machine
  console.log(
    `\nCommit ${id}, ${cores} cores, load ${loadBefore.toFixed(2)} before and ${loadAfter.toFixed(2)} after (the bench loads it too).`,
  )
}
