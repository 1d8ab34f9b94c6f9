// npm run test:chaos [-- --long | --json]: the real `npm start`, whose process group is killed with
// SIGKILL again and again while events, retries, recoveries and uploads are under way, and which goes on
// with the state that is left. Receivers answer, fail, reset, hang and want no retry. Ends with 0 if
// nothing that was accepted is lost, and each request too many is one that had been answered and not
// recorded when the processes died.
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"

import { readFlags } from "./bench/flags.mjs"
import { openStopped } from "./bench/fresh-system.mjs"
import { table } from "./bench/table.mjs"
import { keyOf, startReceiver } from "./chaos/receiver.mjs"
import { startInGroup } from "./chaos/system.mjs"
import { createTraffic, UPLOAD_PATH } from "./chaos/traffic.mjs"
import { findFreePort } from "./dev-server.mjs"

const flags = readFlags(["long", "json"])

/** @typedef {import("./chaos/receiver.mjs").Moment} Moment */

/**
 * What is to be under way when the processes die. That is seen from outside: a stage's moment is a request
 * that has reached a receiver, or the answer that it was just given, which the system has not had time to
 * record; or what was provoked has been answered, with the rest of it open.
 * @type {{ name: string, isMoment?: (moment: Moment) => boolean, provoke?: (traffic: Traffic, dead:
 * AbortSignal) => Promise<unknown> }[]}
 */
const STAGES = [
  {
    name: "recover",
    isMoment: ({ path, tries, is }) => path.startsWith("/abort/stranger") && tries > 1 && is === "arrived",
    provoke: (traffic) => traffic.meet("abort").then(traffic.recoverWhenFailed),
  },
  {
    name: "drain",
    isMoment: ({ path, tries, is }) => path.startsWith("/fail/stranger") && tries > 1 && is === "arrived",
    provoke: (traffic) => traffic.meet("fail"),
  },
  {
    name: "record",
    isMoment: ({ path, is }) => path.startsWith("/ok/stranger") && is === "answered",
    provoke: (traffic) => traffic.meet("ok"),
  },
  {
    name: "dispatch",
    isMoment: ({ path, is }) => path.startsWith("/ok/stranger") && is === "arrived",
    provoke: (traffic) => traffic.meet("ok"),
  },
  {
    name: "publish, upload",
    provoke: (traffic, dead) => Promise.all([traffic.uploadMany(dead), traffic.publishMany()]),
  },
]
/** @typedef {Awaited<ReturnType<typeof createTraffic>>} Traffic */

/** Each takes a kill of every stage. */
const ROUNDS = flags.long ? 6 : 1
/** What flows before a kill, and up to as much more when there is time for chance. */
const FLOW_MS = 1_000
const MOMENT_TIMEOUT_MS = 30_000
/** The cron is fired more often than every minute, for whatever waits for a lease to run out. */
const SWEEP_EVERY_MS = 3_000
/** How long nothing may arrive before what is missing is taken as lost. */
const PATIENCE_MS = 120_000
const POLL_MS = 200
const SETTINGS = [
  "ATTEMPT_TIMEOUT_MS:2000",
  // Nothing is to end because it was tried too often.
  `RETRY_SCHEDULE:${[1, 1, 1, 2, 2, ...Array(15).fill(5)].join(",")}`,
]

const folder = mkdtempSync(join(tmpdir(), "posthorn-chaos-"))
const port = await findFreePort()
const url = `http://127.0.0.1:${port}`
const startedAt = Date.now()

/** What happens at a moment of the receivers. @type {(moment: Moment) => void} */
let onMoment = () => {}
/** The event that tells of each upload. */
const eventOfUpload = new Map()
const receiver = await startReceiver((moment) => {
  const [, upload] = /"upload_id":"([^"]+)"/.exec(moment.body) ?? []
  if (upload !== undefined) eventOfUpload.set(upload, moment.id)
  onMoment(moment)
})
/** @type {Awaited<ReturnType<typeof startInGroup>> | undefined} */
let system
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => {
    system?.kill()
    process.exit(130)
  })
}

try {
  await run()
} finally {
  system?.kill()
  receiver.close()
  if (process.exitCode) console.error(`What is left of the system: ${folder}`)
  else rmSync(folder, { recursive: true, force: true })
}

async function run() {
  const rows = []
  system = await start()
  const traffic = await createTraffic({ url, receiver: receiver.url })
  const kills = Array.from({ length: ROUNDS }, () => STAGES).flat()
  for (const stage of kills) {
    await dieIn(stage, traffic)
    console.error(`${seconds()} s: kill ${rows.length + 1} of ${kills.length}, in ${stage.name}`)
    rows.push({ stage: stage.name, accepted: traffic.events.size, inFlight: unrecorded() })
    system = await start()
  }
  console.error(`${seconds()} s: waiting for what is owed`)
  const lost = await settle(traffic)
  const stopped = system
  system = undefined
  await stopped.stop()
  report(rows, traffic, lost)
}

function seconds() {
  return Math.round((Date.now() - startedAt) / 1000)
}

function start() {
  const settings = SETTINGS.flatMap((setting) => ["--var", setting])
  return startInGroup(["--port", String(port), "--persist-to", folder, ...settings])
}

/** Lets everything flow, and kills the whole group at the stage's moment. */
async function dieIn(stage, traffic) {
  const dead = new AbortController()
  function die() {
    if (dead.signal.aborted) return
    onMoment = () => {}
    system?.kill()
    dead.abort()
  }
  const flowing = traffic.flow(dead.signal)
  await sleep(FLOW_MS + (flags.long ? Math.random() * FLOW_MS : 0))
  if (stage.isMoment) onMoment = (moment) => stage.isMoment(moment) && die()
  // What was provoked dies with the rest.
  const provoked = stage.provoke?.(traffic, dead.signal).catch(() => {})
  if (!stage.isMoment) void provoked?.then(die)
  await sleep(MOMENT_TIMEOUT_MS, undefined, { signal: dead.signal }).catch(() => {})
  if (!dead.signal.aborted) throw new Error(`The moment of "${stage.name}" did not come`)
  await Promise.all([system?.gone(), flowing, provoked])
}

/** What receivers have taken, and the database of the dead does not know: all that may be sent once more. */
function unrecorded() {
  const db = openStopped(folder)
  try {
    const rows = db
      .prepare(
        `SELECT d.event_id, e.url FROM deliveries d JOIN endpoints e ON e.id = d.endpoint_id
         WHERE d.status = 'delivered'`,
      )
      .all()
    const known = new Set(rows.map((row) => keyOf(row.event_id, new URL(String(row.url)).pathname)))
    return [...receiver.taken.keys()].filter((key) => !known.has(key))
  } finally {
    db.close()
  }
}

/** Waits until all that was accepted has been taken; answers what has not. */
async function settle(traffic) {
  let [giveUpAt, sweepAt, left] = [0, 0, Infinity]
  for (;;) {
    if (Date.now() > sweepAt) {
      await system?.sweep()
      // What those that died were about to try fails once more, and is to be recovered again.
      await traffic.recoverAll()
      sweepAt = Date.now() + SWEEP_EVERY_MS
    }
    const missing = missingOf(traffic)
    if (missing.length === 0 && (await traffic.unfinishedTasks()) === 0) return []
    if (missing.length < left) [left, giveUpAt] = [missing.length, Date.now() + PATIENCE_MS]
    if (Date.now() > giveUpAt) return missing
    await sleep(POLL_MS)
  }
}

function missingOf({ events, uploads }) {
  const owed = [...events].flatMap(([id, paths]) => paths.map((path) => ({ id, path })))
  const told = [...uploads].map((upload) => ({ id: eventOfUpload.get(upload) ?? upload, path: UPLOAD_PATH }))
  return [...owed, ...told].filter(({ id, path }) => !receiver.taken.has(keyOf(id, path)))
}

function report(rows, traffic, lost) {
  const explained = new Set(rows.flatMap(({ inFlight }) => inFlight))
  const repeated = [...receiver.taken].filter(([, times]) => times > 1)
  const duplicates = repeated.reduce((sum, [, times]) => sum + times - 1, 0)
  const inFlight = rows.reduce((sum, row) => sum + row.inFlight.length, 0)
  const unexplained = repeated.filter(([key]) => !explained.has(key))
  const result = {
    kills: rows.length,
    seconds: seconds(),
    events: traffic.events.size,
    uploads: traffic.uploads.size,
    deliveries: receiver.taken.size,
    lost: lost.length,
    duplicates,
    inFlight,
    unexplained: unexplained.length,
  }
  if (lost.length > 0 || unexplained.length > 0 || duplicates > inFlight) process.exitCode = 1
  if (flags.json) return console.log(JSON.stringify({ ...result, rows, lostOnes: lost }, null, 2))
  console.log(
    table(
      ["killed in", "events accepted", "answered, not recorded"],
      rows.map((row) => [row.stage, row.accepted, row.inFlight.length]),
    ),
  )
  console.log(
    `\n${result.kills} kills in ${result.seconds} s: ${result.events} events and ${result.uploads} files accepted, ${result.deliveries} deliveries taken.
Lost ${result.lost}. Sent twice ${duplicates}, of ${inFlight} that were in flight when the processes died; ${result.unexplained} for no such reason.`,
  )
  for (const one of lost)
    console.error(`Lost: ${one.id} at ${one.path}, tried ${receiver.triesOf(one.id, one.path)} times`)
  for (const [key, times] of unexplained) console.error(`${times} times: ${key}`)
}
