// The worst that one endpoint or one application is known to have done to others, each as something that can
// be measured on a fresh system: by `npm run bench:isolation -- --cases`, and by a test.
import { setTimeout as sleep } from "node:timers/promises"

import { ask, create, createApplication } from "./api.mjs"
import { multiplyEndpoint, withSystem } from "./fresh-system.mjs"
import { lagsUnderLoad, messageTarget } from "./load.mjs"
import { now } from "./now.mjs"

/** @typedef {{ figure: string, value: number, bound: number, holds: boolean }} Figure */
/**
 * @typedef {{ folder: string, sink: Awaited<ReturnType<typeof import("./load.mjs").startSink>>, signal?:
 * AbortSignal | undefined }} Place
 */

/** When a retry is due, jitter aside. */
const RETRY_MS = 2_000
const RETRY_IN_TWO_SECONDS = ["--var", `RETRY_SCHEDULE:${RETRY_MS / 1000},60,600`]
/** What a neighbour may be kept waiting. */
const RETRY_LATE_MS = 2_000
const FIRST_MEETING_MS = 2_500
const PERSON_WAITING_MS = 2_000
/** What has not come by then is taken as never. */
const PATIENCE_MS = 30_000
const POLL_MS = 50
/** Neighbours that are asked, one after the other, while somebody else's backlog is worked. */
const PROBES = 3
const CREATING_AT_ONCE = 8

/** @type {{ name: string, run: (place: Place) => Promise<Figure[]> }[]} */
export const CASES = [
  { name: "one hanging endpoint among four that are met for the first time", run: hangingAmongFour },
  { name: "300 hanging endpoints of another application", run: hangingCrowd },
  { name: "20,000 healthy endpoints of another application", run: healthyCrowd },
  { name: "8 resends to hanging endpoints", run: (place) => hangingResends(8, place) },
  { name: "30 resends to hanging endpoints", run: (place) => hangingResends(30, place) },
]

/** @param {Place} place */
function hangingAmongFour({ folder, sink, signal }) {
  return withSystem({ folder, signal }, async ({ url }) => {
    const paths = ["/hang/0", "/ok/1", "/ok/2", "/ok/3"]
    const { id } = await createApplication(url, {
      name: "four",
      endpoints: paths.map((path) => sink.url + path),
    })
    const load = { run: "four", perSecond: 4, forMs: 5_000, patienceMs: PATIENCE_MS, paths: paths.slice(1) }
    const { p99Ms, missing } = await lagsUnderLoad({ ...load, target: messageTarget(url, id), sink, signal })
    return [
      figure("p99 of the healthy ones, ms", p99Ms ?? PATIENCE_MS, FIRST_MEETING_MS),
      figure("missing", missing, 0),
    ]
  })
}

/** @param {Place} place */
function hangingCrowd({ folder, sink, signal }) {
  return withSystem({ folder, args: RETRY_IN_TWO_SECONDS, signal }, async ({ url }) => {
    const crowd = await createCrowd(
      url,
      Array.from({ length: 300 }, (_, n) => `${sink.url}/hang/${n}`),
    )
    return await probeWhile(url, sink, crowd)
  })
}

/** @param {Place} place */
async function healthyCrowd({ folder, sink, signal }) {
  const system = { folder, args: RETRY_IN_TWO_SECONDS, signal }
  const { id, endpointIds } = await withSystem(system, ({ url }) =>
    createApplication(url, { name: "crowd", endpoints: [`${sink.url}/ok/crowd`] }),
  )
  multiplyEndpoint(folder, endpointIds[0] ?? "", 20_000)
  return await withSystem(system, ({ url }) => probeWhile(url, sink, id))
}

/**
 * What a person waits for at three doors while resends of another application hang, next to what
 * it takes without them.
 * @param {number} resends
 * @param {Place} place
 */
export function hangingResends(resends, { folder, sink, signal }) {
  return withSystem({ folder, signal }, async ({ url }) => {
    await create(`${url}/webhook`, { event: "user_registered", url: `${sink.url}/ok/ping` })
    const invoices = { event: "invoice.paid", url: `${sink.url}/ok/ping` }
    await ask(`${url}/register`, { method: "POST", json: invoices, headers: { accept: "application/json" } })
    const webhook = await registerUpload(url, `${sink.url}/ok/upload`)
    const neighbour = await createApplication(url, {
      name: "neighbour",
      endpoints: [`${sink.url}/ok/resent`],
    })
    const waits = async (name) => [
      figure(`a ping ${name}, ms`, await pingMs(url, 2), PERSON_WAITING_MS),
      figure(`an upload ${name}, ms`, await uploadMs(url, webhook), PERSON_WAITING_MS),
      figure(
        `a neighbour's resend ${name}, ms`,
        await resendMs(url, sink, neighbour, `${name}${resends}`),
        PERSON_WAITING_MS,
      ),
    ]
    const without = await waits("without")
    await resendToHanging(url, sink, resends)
    return [...without, ...(await waits("beside"))]
  })
}

/** Asks for one resend to each of so many endpoints that hang. */
async function resendToHanging(url, sink, resends) {
  const urls = Array.from({ length: resends }, (_, n) => `${sink.url}/hang/${n}`)
  const crowd = await createCrowd(url, urls)
  const { id } = await publish(url, crowd, "crowd-0")
  const { data } = await ask(`${url}/api/v1/app/${crowd}/endpoint?limit=${resends}`)
  for (const endpoint of data)
    await create(`${url}/api/v1/app/${crowd}/msg/${id}/endpoint/${endpoint.id}/resend`)
}

/** How long it takes from the wish to resend a message that has arrived until it arrives again. */
async function resendMs(url, sink, { id, endpointIds }, run) {
  const message = await publish(url, id, `${run}-0`)
  if ((await arrivals(sink, run, 1)) === null) return PATIENCE_MS
  const start = now()
  await create(`${url}/api/v1/app/${id}/msg/${message.id}/endpoint/${endpointIds[0]}/resend`)
  const times = await arrivals(sink, run, 2)
  return times === null ? PATIENCE_MS : times[1] - start
}

/** Publishes one event to the crowd, and holds how late the retries of neighbours are from then on. */
async function probeWhile(url, sink, crowd) {
  await publish(url, crowd, "crowd-0")
  const figures = []
  for (let n = 1; n <= PROBES; n++) {
    await sleep(1_000)
    figures.push(
      figure(`how late retry ${n} of a neighbour is, ms`, await retryLateMs(url, sink), RETRY_LATE_MS),
    )
  }
  return figures
}

/** The sink tells them apart, whichever case they are of. */
let neighbours = 0

/**
 * How long after it was due, at the latest, the retry of a new neighbour, whose endpoint
 * fails at once, is made.
 */
async function retryLateMs(url, sink) {
  const run = `neighbour${++neighbours}`
  const { id } = await createApplication(url, { name: run, endpoints: [`${sink.url}/fail/${run}`] })
  await publish(url, id, `${run}-0`)
  const times = await arrivals(sink, run, 2)
  return times === null ? PATIENCE_MS : Math.max(0, times[1] - times[0] - RETRY_MS)
}

/** When the first requests of a run arrived, once there are so many; null: not in the time that we have. */
async function arrivals(sink, run, count) {
  const giveUpAt = now() + PATIENCE_MS
  while (now() < giveUpAt) {
    await sleep(POLL_MS)
    const arrived = await sink.arrivals(run)
    if (arrived.length >= count) return arrived.map(([, at]) => at)
  }
  return null
}

/** How long a ping takes that all of so many receivers answer. */
async function pingMs(url, receivers) {
  const start = now()
  const { successful_webhooks: told = [] } = await create(`${url}/ping`)
  return told.length === receivers ? now() - start : PATIENCE_MS
}

async function registerUpload(url, receiver) {
  const { data: types } = await ask(`${url}/event_type`)
  const wanted = { event_type_id: types[0].id, user_id: 1, url: receiver }
  return (await create(`${url}/webhook/register`, wanted)).data.id
}

/** How long it takes until a small file that was taken is found whole. */
async function uploadMs(url, webhook) {
  const form = new FormData()
  form.set("file", new Blob(["one line\n"]), "a.txt")
  const start = now()
  const answer = await fetch(`${url}/upload_file/webhook_id/${webhook}`, { method: "POST", body: form })
  const { data } = /** @type {any} */ (await answer.json())
  while (now() - start < PATIENCE_MS) {
    const { data: upload } = await ask(`${url}/uploads/${data.upload_id}`)
    if (upload.state === "completed") return now() - start
    await sleep(POLL_MS)
  }
  return PATIENCE_MS
}

/** An application with these endpoints, which are created a few at a time; answers its id. */
async function createCrowd(url, endpoints) {
  const { id } = await createApplication(url, { name: "crowd", endpoints: [] })
  const left = [...endpoints]
  async function lane() {
    for (let next = left.shift(); next; next = left.shift())
      await create(`${url}/api/v1/app/${id}/endpoint`, { url: next })
  }
  await Promise.all(Array.from({ length: CREATING_AT_ONCE }, lane))
  return id
}

function publish(url, application, mark) {
  return create(`${url}/api/v1/app/${application}/msg`, { eventType: "bench.measured", payload: { mark } })
}

/** @returns {Figure} */
function figure(name, value, bound) {
  return { figure: name, value, bound, holds: value <= bound }
}
