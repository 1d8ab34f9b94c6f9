import assert from "node:assert/strict"
import { randomBytes } from "node:crypto"

import { verified } from "./verify.mjs"

/**
 * The file upload system.
 * @type {import("./verify.mjs").Family}
 */
export const uploads = {
  title: "File uploads",
  steps: [
    ["POST /webhook/register registers a receiver with headers and payload of its own", register],
    ["POST /upload_file/webhook_id/{id} takes a file, and tells the receiver when it is stored", upload],
    ["GET /uploads/{id}/content gives the same file back", download],
  ],
}

const file = randomBytes(300_000)
let registration
let uploadId

async function register({ call, receiver, secrets }) {
  const [eventType] = (await call("GET", "/event_type")).data
  const { data } = await call("POST", "/webhook/register", {
    event_type_id: eventType.id,
    user_id: 1,
    url: `${receiver.url}/uploaded`,
    custom_headers: { Authorization: "Bearer yourtokenhere" },
    custom_payload: { key1: "value1", key2: "value2" },
  })
  registration = data
  secrets.set("/uploaded", data.secret)
  return [`${eventType.name} → ${data.url}`]
}

async function upload(world) {
  const form = new FormData()
  form.set("file", new Blob([file], { type: "image/png" }), "Foto Zoë.png")
  const { data } = await world.call("POST", `/upload_file/webhook_id/${registration.id}`, form)
  uploadId = data.upload_id
  const request = await world.receiver.arrival(({ path }) => path === "/uploaded")
  const body = verified(request, world)
  assert.equal(request.headers.authorization, "Bearer yourtokenhere")
  assert.equal(body.key1, "value1")
  assert.equal(body.data.size, file.length)
  return [`${request.path} got ${request.body}: signature verified`]
}

async function download({ fetch }) {
  const response = await fetch(`/uploads/${uploadId}/content`)
  assert.ok(file.equals(Buffer.from(await response.arrayBuffer())))
  return [`${file.length} bytes, identical`]
}
