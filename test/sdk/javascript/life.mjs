// A life with the npm SDK: node life.mjs <package>, where the package is svix or svix-v1.
// See ../README.md for what every life does.
import assert from "node:assert/strict"
import { createServer } from "node:http"
import { text } from "node:stream/consumers"
import { setTimeout as sleep } from "node:timers/promises"

const { Svix, Webhook, messageInRaw } = await import(process.argv[2])
const { POSTHORN_URL, POSTHORN_TOKEN, POSTHORN_NAME: app } = process.env
const svix = new Svix(POSTHORN_TOKEN, { serverUrl: POSTHORN_URL })

/** Version 1 says filterTypes, rateLimit and update where version 2 says eventTypes, throttleRate and upsert. */
const isVersion1 = "update" in svix.endpoint
const typesOf = (types) => ({ [isVersion1 ? "filterTypes" : "eventTypes"]: types })
const rateOf = (rate) => ({ [isVersion1 ? "rateLimit" : "throttleRate"]: rate })
const upsert = (resource, ...args) => resource[isVersion1 ? "update" : "upsert"](...args)

const arrived = []
let status = 200
const receiver = createServer((request, response) => {
  receive(request, response).catch(() => response.destroy())
})
async function receive(request, response) {
  arrived.push({ headers: request.headers, body: await text(request) })
  response.writeHead(status).end()
}
await new Promise((resolve) => receiver.listen(0, "127.0.0.1", resolve))
const url = `http://127.0.0.1:${receiver.address().port}/hook`

const paid = `${app}.order.paid`
const shipped = `${app}.order.shipped`
const hook = "hook"
const payload = { text: "Zoë 🦉", amount: 12.5 }
let message

const steps = {
  async "an application"() {
    await svix.application.create({ name: "Acme", uid: app, ...rateOf(100) })
    await upsert(svix.application, app, { name: "Acme Inc.", uid: app })
    assert.equal((await svix.application.get(app)).name, "Acme Inc.")
    assert.ok((await svix.application.list()).data.length > 0)
  },
  async "event types"() {
    for (const name of [paid, shipped]) await svix.eventType.create({ name, description: "Of an order" })
    await upsert(svix.eventType, shipped, { description: "It is on its way" })
    assert.equal((await svix.eventType.get(shipped)).description, "It is on its way")
  },
  async "an endpoint with a filter"() {
    await svix.endpoint.create(app, { url, uid: hook, ...typesOf([paid]), ...rateOf(50) })
    await upsert(svix.endpoint, app, hook, { url, uid: hook, ...typesOf([paid]), ...rateOf(60) })
    await svix.endpoint.patch(app, hook, { description: "Ours" })
    const endpoint = await svix.endpoint.get(app, hook)
    const { description, uid } = endpoint
    assert.deepEqual(
      { description, uid, ...typesOf(endpoint.filterTypes ?? endpoint.eventTypes) },
      { description: "Ours", uid: hook, ...typesOf([paid]) },
    )
    assert.equal(endpoint.rateLimit ?? endpoint.throttleRate, 60)
    assert.equal(endpoint.version, isVersion1 ? 1 : undefined)
  },
  async "a delivery, verified"() {
    message = await svix.message.create(app, { eventType: paid, eventId: "first", payload })
    const delivery = await arrival(message.id)
    verify(delivery)
    assert.deepEqual(JSON.parse(delivery.body), payload)
    assert.throws(() => verify({ ...delivery, body: `${delivery.body} ` }))
    assert.deepEqual((await svix.message.get(app, "first", { withContent: true })).payload, payload)
  },
  async "nothing of another type"() {
    const { id } = await svix.message.create(app, { eventType: shipped, payload })
    assert.deepEqual((await svix.messageAttempt.listAttemptedDestinations(app, id)).data, [])
  },
  async "a raw body, byte for byte"() {
    const raw = `{ "n": 9007199254740993, "b": 1 }`
    const { id } = await svix.message.create(app, messageInRaw(paid, raw))
    assert.equal((await arrival(id)).body, raw)
    const type = "application/cloudevents+json"
    const typed = await svix.message.create(app, messageInRaw(paid, "{ }", type))
    const delivery = await arrival(typed.id)
    verify(delivery)
    assert.deepEqual([delivery.body, delivery.headers["content-type"]], ["{ }", type])
  },
  async attempts() {
    const { data } = await until(
      () => svix.messageAttempt.listByMsg(app, message.id),
      ({ data }) => data.length === 1,
    )
    assert.deepEqual([data[0].status, data[0].responseStatusCode, data[0].url], [0, 200, url])
    assert.ok((await svix.messageAttempt.get(app, message.id, data[0].id)).timestamp instanceof Date)
    const { data: messages } = await svix.messageAttempt.listAttemptedMessages(app, hook)
    assert.equal(messages.length, 3)
    assert.equal((await svix.messageAttempt.listByEndpoint(app, hook)).data.length, 3)
  },
  async resend() {
    await svix.messageAttempt.resend(app, message.id, hook)
    verify(await arrival(message.id, 2))
  },
  async "a rotated secret"() {
    const { key: old } = await svix.endpoint.getSecret(app, hook)
    await svix.endpoint.rotateSecret(app, hook, {})
    secret = (await svix.endpoint.getSecret(app, hook)).key
    assert.notEqual(secret, old)
    const { id } = await svix.message.create(app, { eventType: paid, payload })
    const delivery = await arrival(id)
    verify(delivery)
    verify(delivery, old)
  },
  async recover() {
    status = 500
    const { id } = await svix.message.create(app, { eventType: paid, payload })
    await until(
      () => svix.endpoint.getStats(app, hook),
      ({ fail }) => fail === 1,
    )
    status = 200
    const before = of(id).length
    const task = await svix.endpoint.recover(app, hook, { since: new Date(Date.now() - 3_600_000) })
    assert.equal(task.task, "endpoint.recover")
    verify(await arrival(id, before + 1))
  },
  async stats() {
    const { success, fail } = await until(
      () => svix.endpoint.getStats(app, hook),
      ({ success }) => success === 5,
    )
    assert.deepEqual({ success, fail }, { success: 5, fail: 0 })
  },
  async refusals() {
    const refusal = (promise) =>
      promise.then(
        () => assert.fail("not refused"),
        (error) => error,
      )
    const invalid = await refusal(svix.endpoint.create(app, { url: "nonsense" }))
    assert.deepEqual([invalid.code, invalid.body.detail[0].loc], [422, ["body", "url"]])
    const absent = await refusal(svix.application.get("nobody"))
    assert.deepEqual([absent.code, absent.body.code], [404, "not_found"])
  },
  async "the end of it"() {
    await svix.endpoint.delete(app, hook)
    await assert.rejects(svix.endpoint.get(app, hook))
    for (const name of [paid, shipped]) await svix.eventType.delete(name)
    await svix.application.delete(app)
    await assert.rejects(svix.application.get(app))
  },
}

let secret
function verify({ body, headers }, key = secret) {
  new Webhook(key).verify(body, headers)
}

const of = (id) => arrived.filter(({ headers }) => headers["webhook-id"] === id)

/** The nth arrival of a message. */
async function arrival(id, n = 1) {
  secret ??= (await svix.endpoint.getSecret(app, hook)).key
  return (
    await until(
      async () => of(id),
      (found) => found.length >= n,
    )
  )[n - 1]
}

/** Asks until the answer fits. */
async function until(ask, fits) {
  for (const deadline = Date.now() + 30_000; ; await sleep(50)) {
    const answer = await ask()
    if (fits(answer)) return answer
    assert.ok(Date.now() < deadline, `not within 30 s: ${JSON.stringify(answer)}`)
  }
}

let number = 0
try {
  for (const [title, run] of Object.entries(steps)) {
    number++
    try {
      await run()
      console.log(`ok ${number} - ${title}`)
    } catch (error) {
      console.log(`not ok ${number} - ${title}\n${error.stack}\n${JSON.stringify(error.body ?? null)}`)
      process.exitCode = 1
      break
    }
  }
} finally {
  receiver.close()
  receiver.closeAllConnections()
}
