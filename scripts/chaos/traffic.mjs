import { setTimeout as sleep } from "node:timers/promises"

import { ask, create, createApplication } from "../bench/api.mjs"

/** The receivers of the application that is published to all the time. */
const PATHS = ["/ok/0", "/flaky/1", "/reset/2", "/hang/3", "/abort/4"]
export const UPLOAD_PATH = "/ok/upload"
/** The status of a destination whose last attempt has failed. */
const FAILED = 2
const EVENTS_EVERY_MS = 100
const UPLOADS_EVERY_MS = 1_000
const PART_BYTES = 256 * 1024
const PART_EVERY_MS = 50
const POLL_MS = 50
/** How much is asked for at once where a kill is to find it being accepted. */
const PUBLISHED_AT_ONCE = 16
const UPLOADED_AT_ONCE = 4

/**
 * What people do with the system, and what they were told.
 * @param {{ url: string, receiver: string }} places
 */
export async function createTraffic({ url, receiver }) {
  const since = new Date(Date.now() - 60_000).toISOString()
  /** The paths that each accepted event is owed to. @type {Map<string, readonly string[]>} */
  const events = new Map()
  /** The ids of the files that were accepted. @type {Set<string>} */
  const uploads = new Set()
  /** The endpoints whose receivers want no retries, each with its application's part of the API. */
  const recovered = []
  const tasks = []
  let strangers = 0

  const everybody = await createOwner("chaos", PATHS)
  const { data: types } = await ask(`${url}/event_type`)
  const wanted = { event_type_id: types[0].id, user_id: 1, url: receiver + UPLOAD_PATH }
  const { data: webhook } = await create(`${url}/webhook/register`, wanted)

  async function createOwner(name, paths) {
    const endpoints = paths.map((path) => receiver + path)
    const { id, endpointIds } = await createApplication(url, { name, endpoints })
    const api = `${url}/api/v1/app/${id}`
    recovered.push(...endpointIds.filter((_, n) => isAborting(paths[n])).map((id) => ({ api, id })))
    return { api, paths, endpointIds }
  }
  async function publish({ api, paths }) {
    const message = await create(`${api}/msg`, { eventType: "chaos.happened", payload: { at: Date.now() } })
    events.set(message.id, paths)
    return message.id
  }
  /** @param {AsyncIterable<Uint8Array>} file */
  async function upload(file) {
    const response = await fetch(`${url}/upload_file/webhook_id/${webhook.id}`, multipart(file))
    if (!response.ok) throw new Error(`The upload was answered ${response.status}`)
    const { data } = /** @type {any} */ (await response.json())
    uploads.add(data.upload_id)
  }
  async function recover({ api, id }) {
    tasks.push(await create(`${api}/endpoint/${id}/recover`, { since }))
  }
  async function every(ms, act, signal) {
    const begun = []
    while (!signal.aborted) {
      // Who gets no answer was promised nothing.
      begun.push(act().catch(() => {}))
      await sleep(ms, undefined, { signal }).catch(() => {})
    }
    await Promise.all(begun)
  }
  return {
    events,
    uploads,
    /** Events and small files, one after the other, until aborted. */
    async flow(signal) {
      await Promise.all([
        every(EVENTS_EVERY_MS, () => publish(everybody), signal),
        every(UPLOADS_EVERY_MS, () => upload(small()), signal),
      ])
    },
    /** Resolves with the first answer to many events at once. */
    publishMany: () => Promise.any(Array.from({ length: PUBLISHED_AT_ONCE }, () => publish(everybody))),
    /** Resolves with the first answer to several files, while another one goes on until aborted. */
    async uploadMany(signal) {
      void upload(endless(signal)).catch(() => {})
      await Promise.any(Array.from({ length: UPLOADED_AT_ONCE }, () => upload(small())))
    },
    /** Publishes to a receiver of its own, whose endpoint no process that died has in its hands. */
    async meet(manner) {
      const stranger = await createOwner(`stranger ${++strangers}`, [`/${manner}/stranger${strangers}`])
      const event = await publish(stranger)
      return { ...stranger, event }
    },
    /** Recovers what a receiver wanted no more of, once it has failed. */
    async recoverWhenFailed({ api, event, endpointIds }) {
      for (;;) {
        const { data } = await ask(`${api}/msg/${event}/endpoint`)
        if (data.some(({ status, nextAttempt }) => status === FAILED && !nextAttempt)) break
        await sleep(POLL_MS)
      }
      await recover({ api, id: endpointIds[0] })
    },
    /** The same for all that has failed by now. */
    recoverAll: () => Promise.all(recovered.map(recover)),
    /** The recoveries that were accepted and have not ended. */
    async unfinishedTasks() {
      const all = await Promise.all(tasks.map(({ id }) => ask(`${url}/api/v1/background-task/${id}`)))
      return all.filter(({ status }) => status === "running").length
    },
  }
}

function isAborting(path) {
  return path.startsWith("/abort/")
}

async function* small() {
  yield Buffer.from("one line\n")
}

async function* endless(signal) {
  while (!signal.aborted) {
    yield Buffer.alloc(PART_BYTES)
    await sleep(PART_EVERY_MS)
  }
}

function multipart(file) {
  const boundary = "chaos-boundary"
  const head = `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="a.bin"\r\n\r\n`
  async function* body() {
    yield Buffer.from(head)
    yield* file
    yield Buffer.from(`\r\n--${boundary}--\r\n`)
  }
  /** @type {RequestInit} */
  return {
    method: "POST",
    headers: { "content-type": `multipart/form-data; boundary=${boundary}` },
    body: /** @type {any} */ (ReadableStream.from(body())),
    duplex: "half",
  }
}
