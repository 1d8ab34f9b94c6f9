// The worst that one endpoint or one application is known to have done to others, each as something that can be
// measured on a fresh system: by `npm run bench:isolation -- --cases`, and by a test.
import { setTimeout as sleep } from "node:timers/promises"

import { ask, create, createApplication } from "./api.mjs"
import { multiplyEndpoint, withSystem } from "./fresh-system.mjs"
import { lagsUnderLoad, messageTarget } from "./load.mjs"
import { now } from "./now.mjs"

/** @typedef {{ figure: string, value: number, bound: number, holds: boolean }} Figure */
/** @typedef {{ folder: string, sink: Awaited<ReturnType<typeof import("./load.mjs").startSink>>, signal?: AbortSignal | undefined }} Place */

/** When a retry is due, jitter aside. */
const RETRY_MS = 2_000
const RETRY_IN_TWO_SECONDS = ["--var", `RETRY_SCHEDULE:${RETRY_MS / 1000},60,600`]
/** What a neighbour may be kept waiting. */
const RETRY_LATE_MS = 2_000
const FIRST_MEETING_MS = 2_500
const PERSON_WAITING_MS = 5_000
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
  { name: "eight resends to hanging endpoints", run: hangingResends },
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

/** @param {Place} place */
function hangingResends({ folder, sink, signal }) {
  return withSystem({ folder, signal }, async ({ url }) => {
    await create(`${url}/webhook`, { event: "user_registered", url: `${sink.url}/ok/ping` })
    const registered = await registerUpload(url, `${sink.url}/ok/upload`)
    const crowd = await createCrowd(
      url,
      Array.from({ length: 8 }, (_, n) => `${sink.url}/hang/${n}`),
    )
    const { id } = await publish(url, crowd, "resent-0")
    const { data } = await ask(`${url}/api/v1/app/${crowd}/endpoint`)
    for (const endpoint of data)
      await create(`${url}/api/v1/app/${crowd}/msg/${id}/endpoint/${endpoint.id}/resend`)
    const [ping, upload] = await Promise.all([pingMs(url), uploadMs(url, registered)])
    return [
      figure("a neighbour's ping, ms", ping, PERSON_WAITING_MS),
      figure("a neighbour's upload, ms", upload, PERSON_WAITING_MS),
    ]
  })
}

/** Publishes one event to the crowd, and holds how late the retries of neighbours are from then on. */
async function probeWhile(url, sink, crowd) {
  await publish(url, crowd, "crowd-0")
  const figures = []
  for (let n = 1; n <= PROBES; n++) {
    await sleep(1_000)
    figures.push(
      figure(`how late retry ${n} of a neighbour is, ms`, await retryLateMs(url, sink, n), RETRY_LATE_MS),
    )
  }
  return figures
}

/** How long after it was due, at the latest, the retry of a new neighbour, whose endpoint fails at once, is made. */
async function retryLateMs(url, sink, n) {
  const run = `neighbour${n}`
  const { id } = await createApplication(url, { name: run, endpoints: [`${sink.url}/fail/${n}`] })
  await publish(url, id, `${run}-0`)
  const giveUpAt = now() + PATIENCE_MS
  while (now() < giveUpAt) {
    await sleep(POLL_MS)
    const [first, retry] = await sink.arrivals(run)
    if (first && retry) return Math.max(0, retry[1] - first[1] - RETRY_MS)
  }
  return PATIENCE_MS
}

async function pingMs(url) {
  const start = now()
  const { successful_webhooks: told = [] } = await create(`${url}/ping`)
  return told.length === 1 ? now() - start : PATIENCE_MS
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
