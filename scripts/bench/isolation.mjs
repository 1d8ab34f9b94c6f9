// npm run bench:isolation [-- --hang --slow --fail | --quick | --cases | --rates] [--json]: what endpoints that hang, are slow or
// fail do to the healthy ones beside them, in what `npm start` runs, at a steady rate below capacity. Each run has a
// system of its own: first come events for ten endpoints that nobody has met, then, when the unwell ones are known, as
// many again. A neighbour, another application with one endpoint, sends all the while. All manners take nine minutes;
// --hang, --slow and --fail choose, each beside the run without unwell endpoints. --cases takes the worst that we know
// of instead, --rates whether a `throttleRate` is kept, for a minute.
import { mkdtempSync, rmSync } from "node:fs"
import { cpus, tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"

import { StartError } from "../dev-server.mjs"
import { createApplication } from "./api.mjs"
import { readFlags } from "./flags.mjs"
import { withSystem } from "./fresh-system.mjs"
import { CASES } from "./isolation-cases.mjs"
import { lagsUnderLoad, messageTarget, putSteadyLoad, startSink } from "./load.mjs"
import { commit, load } from "./machine.mjs"
import { now } from "./now.mjs"
import { describeRates, measureRates } from "./rates.mjs"
import { table, yesOrNo } from "./table.mjs"

const flags = readFlags(["hang", "slow", "fail", "quick", "json", "cases", "rates"])

const ENDPOINTS = 10
const PER_SECOND = 5
const NEIGHBOUR_PER_SECOND = 2
const PHASE_MS = flags.quick ? 6_000 : 15_000
/** From the first events on until everybody knows who hangs: the timeout, and the time to record it. */
const KNOWN_AFTER_MS = 20_000
/** What is late may be as late as this before it counts as missing. */
const PATIENCE_MS = flags.quick ? 20_000 : 45_000
/** What a p99 may be: at the first encounter in ms; later in times of the run without, or so much above it, which is noise. */
const BOUNDS = { firstMs: 2_500, knownTimes: 1.5, noiseMs: 50 }
const WARM_UP = { perSecond: 10, forMs: 2_000 }

/** How unwell endpoints behave, by the flag that chooses it. */
const MANNERS = { hang: ["hang"], slow: ["slow-2000", "slow-4900"], fail: ["fail"] }
/** What each run has among its ten endpoints. */
const RUNS = [
  { manner: "ok", unwell: 0 },
  ...chosenManners().flatMap((manner) => [1, 3].map((unwell) => ({ manner, unwell }))),
]

const stopping = new AbortController()
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => stopping.abort())

const loadBefore = load()
const folder = mkdtempSync(join(tmpdir(), "posthorn-isolation-"))
const sink = await startSink()
let systems = 0

try {
  if (flags.cases) await takeCases()
  else if (flags.rates) await takeRates()
  else await measureRuns()
} catch (error) {
  if (error instanceof StartError && !stopping.signal.aborted) console.error(error.message)
  else if (!stopping.signal.aborted) throw error
  process.exitCode ||= 1
} finally {
  sink.stop()
  rmSync(folder, { recursive: true, force: true })
}

function chosenManners() {
  if (flags.quick) return MANNERS.hang
  const chosen = Object.keys(MANNERS).filter((flag) => flags[flag])
  return (chosen.length > 0 ? chosen : Object.keys(MANNERS)).flatMap((flag) => MANNERS[flag])
}

async function measureRuns() {
  const rows = []
  for (const run of RUNS) {
    const where = { folder: freshFolder(), signal: stopping.signal }
    rows.push(...(await withSystem(where, ({ url }) => measure(url, run))))
    if (stopping.signal.aborted) return
  }
  report(rows)
}

async function takeCases() {
  const results = []
  for (const one of CASES) {
    const figures = await one.run({ folder: freshFolder(), sink, signal: stopping.signal })
    results.push(...figures.map((figure) => ({ case: one.name, ...figure })))
    if (stopping.signal.aborted) return
  }
  if (results.some(({ holds }) => !holds)) process.exitCode = 1
  if (flags.json) {
    console.log(JSON.stringify({ machine: machine(), cases: results }, null, 2))
    return
  }
  const rows = results.map(({ holds, ...one }) => [
    one.case,
    one.figure,
    one.value,
    one.bound,
    yesOrNo(holds),
  ])
  console.log(table(["case", "figure", "measured", "bound", "holds"], rows))
  console.log(`\n${describeMachine()}`)
}

async function takeRates() {
  const rates = await measureRates({ folder: freshFolder(), sink, signal: stopping.signal })
  if (rates.some(({ holds }) => !holds)) process.exitCode = 1
  if (flags.json) console.log(JSON.stringify({ machine: machine(), rates }, null, 2))
  else console.log(`${describeRates(rates)}\n${describeMachine()}`)
}

function freshFolder() {
  return join(folder, String(systems++))
}

/** What runs for the first time is compiled on the way. */
async function warmUp(url) {
  const { id } = await createApplication(url, { name: "warm-up", endpoints: [`${sink.url}/ok/warm`] })
  await putSteadyLoad({ run: "warm", ...WARM_UP, target: messageTarget(url, id), signal: stopping.signal })
}

/** One run: a row for each phase. */
async function measure(url, { manner, unwell }) {
  await warmUp(url)
  const paths = Array.from({ length: ENDPOINTS }, (_, n) => `/${n < unwell ? manner : "ok"}/${n}`)
  const application = await createApplication(url, {
    name: "bench",
    endpoints: paths.map((path) => sink.url + path),
  })
  const neighbour = await createApplication(url, {
    name: "neighbour",
    endpoints: [`${sink.url}/ok/neighbour`],
  })
  const healthy = paths.filter((path) => path.startsWith("/ok/"))
  const startedAt = now()
  const rows = []
  for (const phase of ["first", "known"]) {
    if (phase === "known") await sleep(Math.max(0, startedAt + KNOWN_AFTER_MS - now()))
    const load = { forMs: PHASE_MS, patienceMs: PATIENCE_MS, sink, signal: stopping.signal }
    const run = `run${systems}${phase}`
    const [ours, theirs] = await Promise.all([
      lagsUnderLoad({
        ...load,
        run,
        target: messageTarget(url, application.id),
        perSecond: PER_SECOND,
        paths: healthy,
      }),
      lagsUnderLoad({
        ...load,
        run: `${run}neighbour`,
        target: messageTarget(url, neighbour.id),
        perSecond: NEIGHBOUR_PER_SECOND,
        paths: ["/ok/neighbour"],
      }),
    ])
    rows.push({ manner: unwell === 0 ? "none" : manner, unwell, phase, healthy: ours, neighbour: theirs })
  }
  return rows
}

function report(rows) {
  const judged = rows.map((row) => ({ ...row, ...judge(row, rows) }))
  if (judged.some(({ holds }) => !holds)) process.exitCode = 1
  if (flags.json) {
    console.log(
      JSON.stringify({ machine: machine(), perSecond: PER_SECOND, bounds: BOUNDS, rows: judged }, null, 2),
    )
    return
  }
  console.log(
    table(
      [
        "unwell",
        "of 10",
        "met",
        "lag p50 ms",
        "p99 ms",
        "max ms",
        "of none",
        "missing",
        "neighbour p50 ms",
        "p99 ms",
        "missing",
        "holds",
      ],
      judged.map(({ manner, unwell, phase, healthy, neighbour, times, holds }) => [
        manner,
        unwell,
        phase === "first" ? "for the first time" : "before",
        healthy.p50Ms,
        healthy.p99Ms,
        healthy.maxMs,
        times,
        healthy.missing,
        neighbour.p50Ms,
        neighbour.p99Ms,
        neighbour.missing,
        yesOrNo(holds),
      ]),
    ),
  )
  console.log(
    `\n${PER_SECOND} events a second to 10 endpoints, ${NEIGHBOUR_PER_SECOND} to the neighbour. Lag is receipt minus acceptance, of the healthy endpoints alone.
It holds when nothing is missing and both p99 are at most ${BOUNDS.firstMs} ms when met for the first time, and when met before ${BOUNDS.knownTimes} times those without unwell endpoints, or ${BOUNDS.noiseMs} ms above them.
${describeMachine()}`,
  )
}

/** The p99 of the healthy endpoints and of the neighbour, against those of the same phase without unwell endpoints. */
function judge(row, rows) {
  const without = rows.find(({ unwell, phase }) => unwell === 0 && phase === row.phase)
  const holds = ["healthy", "neighbour"].every((who) => {
    const { p99Ms, missing } = row[who]
    const usual = without[who].p99Ms
    const most =
      row.phase === "first" ? BOUNDS.firstMs : Math.max(BOUNDS.knownTimes * usual, usual + BOUNDS.noiseMs)
    return missing === 0 && p99Ms <= most
  })
  return { times: row.healthy.p99Ms / without.healthy.p99Ms, holds }
}

function machine() {
  return { cores: cpus().length, loadBefore, loadAfter: load(), commit: commit() }
}

function describeMachine() {
  const { cores, commit: id, loadAfter } = machine()
  return `Commit ${id}, ${cores} cores, load ${loadBefore.toFixed(2)} before and ${loadAfter.toFixed(2)} after (the bench loads it too).`
}
