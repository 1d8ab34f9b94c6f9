// npm run bench:screens [-- --json]: how long each screen of the dashboard waits for its first byte over a socket, in
// what `npm start` runs, with 100,000 messages to three endpoints stored: 300,000 deliveries. Each operation of a
// screen is asked five times, one at a time; ends with 1 if the median of one is more than is promised.
import { mkdtempSync, rmSync } from "node:fs"
import { cpus, tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"

import { startReceiver } from "../receiver.mjs"
import { ask, create } from "./api.mjs"
import { ASKED, pathOf } from "./asked.mjs"
import { COPIED_ROWS } from "./copies.mjs"
import { readFlags } from "./flags.mjs"
import { multiplyEvents, multiplyRows, withSystem } from "./fresh-system.mjs"
import { commit, load } from "./machine.mjs"
import { table } from "./table.mjs"

const flags = readFlags(["json"])

const EVENTS = 100_000
const ROWS = 10_000
const TRIES = 5
const PROMISED_MS = 200
const HOUR_MS = 3600_000
const POLL_MS = 200
const SHELL = { screen: "Shell", path: "/dashboard/live" }
/** What fails is owed for the whole run. */
const SETTINGS = ["--var", "RETRY_SCHEDULE:86400"]

const stopping = new AbortController()
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => stopping.abort())

const loadBefore = load()
const folder = mkdtempSync(join(tmpdir(), "posthorn-screens-"))
let isFailing = false
const receiver = await startReceiver(0, { status: (path) => (isFailing && path === "/failing" ? 500 : 200) })
const system = { folder, args: SETTINGS, signal: stopping.signal }

try {
  const { examples, ...ids } = await withSystem(system, storeExamples)
  multiplyEvents(folder, examples, EVENTS, { spanMs: HOUR_MS })
  multiplyRows(folder, COPIED_ROWS, ROWS)
  report(await withSystem(system, ({ url }) => measureAll(url, ids)))
} catch (error) {
  if (!stopping.signal.aborted) throw error
  process.exitCode = 130
} finally {
  await receiver.close()
  rmSync(folder, { recursive: true, force: true })
}

/** One of each thing that screens show; of the messages one that all three endpoints took, and one that the third did not. */
async function storeExamples({ url }) {
  const api = `${url}/api/v1`
  const app = `${api}/app/screens`
  await create(`${api}/app`, { name: "screens", uid: "screens" })
  const endpoints = []
  for (const uid of ["well", "also", "failing"]) {
    endpoints.push(await create(`${app}/endpoint`, { url: `${receiver.url}/${uid}`, uid }))
  }
  const examples = []
  for (isFailing of [false, true]) {
    const payload = { text: "x".repeat(200) }
    const { id } = await create(`${app}/msg`, { eventType: "screen.shown", payload })
    while ((await ask(`${app}/attempt/msg/${id}`)).data.length < endpoints.length) await sleep(POLL_MS)
    examples.push(id)
  }
  const message = examples[1]
  const attempts = await ask(`${app}/attempt/msg/${message}`)
  return {
    examples,
    message,
    attempt: attempts.data[0].id,
    well: endpoints[0].id,
    failing: endpoints[2].id,
    ...(await storeOthers(url)),
  }
}

/** What the families and the inbox show. */
async function storeOthers(url) {
  for (const username of ["alice", "bob"]) await create(`${url}/users`, { username })
  await create(`${url}/users/messages`, {
    sender: "bob",
    recipient: "alice",
    subject: "Hi",
    message: "Hello",
  })
  const { invoice_id: invoice } = await create(`${url}/invoices`, { amount: 100, currency: "EUR" })
  await uploadTo(url)
  const { id: inbox } = await create(`${url}/api/v1/inbox`, {})
  await fetch(`${url}/inbox/${inbox}`, { method: "POST", body: "{}" })
  return { invoice, inbox }
}

async function uploadTo(url) {
  const types = await ask(`${url}/event_type`)
  const webhook = await create(`${url}/webhook/register`, {
    event_type_id: types.data[0].id,
    user_id: 1,
    url: `${receiver.url}/uploads`,
  })
  const body = new FormData()
  body.set("file", new Blob(["a file"]), "a.txt")
  const path = `${url}/upload_file/webhook_id/${webhook.data.id}`
  const response = await fetch(path, { method: "POST", body })
  if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`)
}

async function measureAll(url, ids) {
  const { data } = await ask(`${url}/api/v1/app/screens/msg?limit=50`)
  const stored = { ...ids, page: data.map(({ id }) => id), middle: Date.now() - HOUR_MS / 2 }
  const figures = []
  for (const { screen, path } of [SHELL, ...ASKED]) {
    figures.push({ screen, path, ...(await measure(url + pathOf(path, stored))) })
  }
  return figures
}

/** The first of all, in which caches are filled and code is compiled, stands apart. */
async function measure(url) {
  const firstEverMs = await firstByteMs(url)
  const times = []
  for (let n = 0; n < TRIES; n++) times.push(await firstByteMs(url))
  const [, , p50Ms, , maxMs] = times.toSorted((a, b) => a - b)
  return { firstEverMs, p50Ms, maxMs }
}

/** Until the first byte of the body is there. */
async function firstByteMs(url) {
  const begun = performance.now()
  const response = await fetch(url, { headers: { accept: "application/json" }, signal: stopping.signal })
  const reader = response.body?.getReader()
  await reader?.read()
  const took = performance.now() - begun
  if (!response.ok) throw new Error(`${url} answered ${response.status}`)
  while (reader && !(await reader.read()).done);
  return took
}

function report(figures) {
  const machine = { cores: cpus().length, loadBefore, loadAfter: load(), commit: commit() }
  if (figures.some(({ p50Ms }) => p50Ms > PROMISED_MS)) process.exitCode = 1
  if (flags.json) {
    console.log(JSON.stringify({ machine, promisedMs: PROMISED_MS, figures }, null, 2))
    return
  }
  console.log(
    table(
      ["screen", "asks", "first ms", "p50 ms", "max ms"],
      figures.map(({ screen, path, firstEverMs, p50Ms, maxMs }) => [screen, path, firstEverMs, p50Ms, maxMs]),
    ),
  )
  console.log(
    `\n${EVENTS} messages, ${3 * EVENTS} deliveries. Commit ${machine.commit}, ${machine.cores} cores, load ${loadBefore.toFixed(2)} before and ${machine.loadAfter.toFixed(2)} after.`,
  )
}
