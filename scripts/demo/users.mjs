import assert from "node:assert/strict"

import { verified } from "./verify.mjs"

/**
 * The user notification service.
 * @type {import("./verify.mjs").Family}
 */
export const users = {
  title: "User notifications",
  steps: [
    ["POST /webhook registers a receiver for each event", register],
    ["POST /users publishes user_registered", createUser],
    ["A receiver that answers 500 gets the same event again", retryAfterFailure],
    ["POST /users/messages publishes user_send_message", sendMessage],
    ["POST /ping reaches every registered webhook", ping],
  ],
}

async function register({ call, receiver, secrets }) {
  const lines = []
  for (const event of ["user_registered", "user_send_message"]) {
    const { url, secret } = await call("POST", "/webhook", { event, url: `${receiver.url}/${event}` })
    secrets.set(`/${event}`, secret)
    lines.push(`${event} → ${url}, signed with a secret of its own`)
  }
  return lines
}

async function createUser(world) {
  const user = await world.call("POST", "/users", { username: "Alice" })
  const request = await world.receiver.arrival(isEvent("user_registered", { username: "alice" }))
  assert.deepEqual(verified(request, world).data, user)
  return [arrived(request)]
}

async function retryAfterFailure(world) {
  world.receiver.answers(500)
  await world.call("POST", "/users", { username: "Bob" })
  const [first, second] = await world.receiver.arrivals(2, isEvent("user_registered", { username: "bob" }))
  assert.deepEqual(verified(first, world), verified(second, world))
  assert.equal(second.headers["webhook-id"], first.headers["webhook-id"])
  return [
    `${arrived(first)}, answered 500`,
    `${arrived(second)}, ${((second.at - first.at) / 1000).toFixed(1)} s later, same webhook-id`,
  ]
}

async function sendMessage(world) {
  const message = { sender: "alice", recipient: "bob", subject: "Hello", message: "Grüße, 世界 👋" }
  const sent = await world.call("POST", "/users/messages", message)
  const request = await world.receiver.arrival(isEvent("user_send_message", message))
  assert.deepEqual(verified(request, world).data, sent)
  return [arrived(request)]
}

async function ping(world) {
  const answer = await world.call("POST", "/ping", { arbitrary_key: "test" })
  assert.equal(answer.successful_webhooks_count, 2, JSON.stringify(answer))
  const pings = await world.receiver.arrivals(2, ({ body }) => JSON.parse(body).data.arbitrary_key === "test")
  for (const request of pings) verified(request, world)
  return [answer.message, ...pings.map(arrived)]
}

/** Whether a request carries this event with at least these fields. */
function isEvent(event, fields) {
  return (request) => {
    const body = JSON.parse(request.body)
    return body.event === event && Object.entries(fields).every(([name, value]) => body.data[name] === value)
  }
}

function arrived({ path, body }) {
  return `${path} got ${body}: signature verified`
}
