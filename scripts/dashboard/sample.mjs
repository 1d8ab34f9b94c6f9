// A system as it looks on an ordinary day: customers with endpoints that are well, slow, failing, refusing or
// disabled, and what was sent to them. For the tests of the dashboard, and for its screenshots.
import { once } from "node:events"
import { createServer } from "node:http"
import { setTimeout as sleep } from "node:timers/promises"

import { portOf } from "../port.mjs"

/** @typedef {(method: string, path: string, body?: unknown) => Promise<any>} Call */
/** @typedef {(text: string) => string} Wording */

const SETTLED_WITHIN_MS = 60_000
const POLL_MS = 200
const HOUR_MS = 3600_000

/** What stands first in the path says which receiver is meant: a machine on its own has one address only. */
const ACME = [
  { uid: "billing", at: "billing.acme.example/webhooks", description: "Books what customers pay" },
  {
    uid: "crm",
    at: "crm.acme.example/hooks/inbound",
    description: "Customer records",
    eventTypes: ["customer.updated", "invoice.paid", "invoice.payment_failed"],
    headers: { "x-tenant": "acme-eu" },
  },
  {
    uid: "warehouse",
    at: "warehouse.acme.example/events",
    description: "Picks and ships",
    eventTypes: ["order.shipped", "order.returned"],
  },
  { uid: "analytics", at: "collect.analytics.example/v2/ingest", description: "Figures of the day" },
  {
    uid: "erp",
    at: "erp.acme.example/inbound",
    description: "Books of the European entity",
    channels: ["emea"],
    throttleRate: 20,
  },
  { uid: "legacy", at: "old.acme.example/notify", description: "Until the move is done", disabled: true },
]

const OTHERS = [
  { uid: "globex", name: "Globex", at: "hooks.globex.example/posthorn" },
  { uid: "initech", name: "Initech", at: "api.initech.example/tps/reports" },
  { uid: "umbrella", name: "Umbrella Health", at: "crm.umbrella.example/intake" },
  { uid: "hooli", name: "Hooli", at: null },
]

/** How each receiver answers: its status, after how long, with which headers and body. */
/**
 * @type {Record<string, { status: number, body: string, afterMs?: number, headers?:
 * Record<string, string> }>}
 */
const MANNERS = {
  crm: { status: 500, body: '{"error":"deadlock detected","requestId":"req_7f31c9"}', afterMs: 40 },
  warehouse: { status: 401, body: '{"error":"missing credentials"}' },
  erp: { status: 429, body: "Too many requests", headers: { "retry-after": "900" } },
  collect: { status: 200, body: "{}", afterMs: 1_400 },
  api: { status: 404, body: "<h1>Not Found</h1>", headers: { "content-type": "text/html" } },
}

/** @type {{ name: string, description: string, example: Record<string, unknown> }[]} */
const TYPES = [
  {
    name: "invoice.paid",
    description: "A customer has paid an invoice in full",
    example: {
      id: "inv_20417",
      customer: "Northwind Traders",
      amount: 129_900,
      currency: "EUR",
      paidAt: "2026-03-02T09:41:07Z",
      lines: [
        { sku: "PLAN-TEAM", quantity: 12, unitAmount: 9_900 },
        { sku: "SUPPORT", quantity: 1, unitAmount: 11_100 },
      ],
    },
  },
  {
    name: "invoice.payment_failed",
    description: "A payment was refused; it is tried again tomorrow",
    example: {
      id: "inv_20418",
      customer: "Contoso",
      amount: 4_900,
      currency: "EUR",
      reason: "card_declined",
    },
  },
  {
    name: "customer.updated",
    description: "The master data of a customer has changed",
    example: { id: "cus_8812", name: "Northwind Traders", changed: ["email", "vatId"] },
  },
  {
    name: "order.shipped",
    description: "An order has left the warehouse",
    example: { id: "ord_55120", carrier: "DHL", parcels: 2, address: { city: "Rotterdam", country: "NL" } },
  },
  {
    name: "order.returned",
    description: "A parcel came back",
    example: { id: "ord_55098", reason: "not_as_described", refund: true },
  },
]

/**
 * Starts what the samples are sent to. `wording` makes the bodies of its answers.
 * @param {{ wording?: Wording }} [options]
 */
export async function startSampleReceiver({ wording = (text) => text } = {}) {
  const server = createServer((request, response) => {
    answer(request, response, wording).catch(() => response.destroy())
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  return {
    url: `http://127.0.0.1:${portOf(server)}`,
    close() {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(resolve))
    },
  }
}

async function answer(request, response, wording) {
  await once(request.resume(), "end")
  const [who = ""] = request.url.slice(1).split(".")
  const { status = 200, afterMs = 15, headers = {}, body = '{"received":true}' } = MANNERS[who] ?? {}
  await sleep(afterMs)
  response.writeHead(status, { "content-type": "application/json", server: "nginx", ...headers })
  response.end(wording(body))
}

/**
 * Fills the system, and resolves once every first attempt is made. `wording` makes what people have
 * written: names, descriptions, the texts of payloads. Answers what stands for the variable parts
 * of the screens' paths.
 * @param {{ call: Call, receiver: { url: string }, messages?: number, wording?: Wording }} world
 */
export async function fillWithSamples({ call, receiver, messages = 30, wording = (text) => text }) {
  for (const { name, description, example } of TYPES) {
    await call("POST", "/api/v1/event-type", {
      name,
      description: wording(description),
      schemas: { 1: schemaOf(example) },
    })
  }
  const app = await call("POST", "/api/v1/app", { uid: "acme", name: wording("Acme") })
  const endpoints = new Map()
  for (const { at, description, ...rest } of ACME) {
    const endpoint = { ...rest, description: wording(description), url: `${receiver.url}/${at}` }
    endpoints.set(rest.uid, (await call("POST", "/api/v1/app/acme/endpoint", endpoint)).id)
  }
  const inbox = await makeInbox(call)
  await makeOthers({ call, receiver, wording })
  const upload = await useFamilies({ call, receiver, wording })
  const message = await sendMessages({ call, messages, wording })
  const task = await call("POST", "/api/v1/app/acme/endpoint/crm/recover", {
    since: new Date(Date.now() - HOUR_MS).toISOString(),
  })
  return {
    endpoints,
    params: {
      app: app.id,
      endpoint: endpoints.get("crm"),
      message,
      inbox: inbox.id,
      task: task.id,
      type: "invoice.paid",
      upload: upload.upload_id,
    },
  }
}

/** An inbox that has a customer's messages in it, verified. */
async function makeInbox(call) {
  const inbox = await call("POST", "/api/v1/inbox", {})
  const { url } = inbox
  await call("POST", "/api/v1/app/acme/endpoint", { uid: "inbox", url, description: "To look at them" })
  const { key } = await call("GET", "/api/v1/app/acme/endpoint/inbox/secret")
  return call("PATCH", `/api/v1/inbox/${inbox.id}`, { secret: key })
}

async function makeOthers({ call, receiver, wording }) {
  for (const { uid, name, at } of OTHERS) {
    await call("POST", "/api/v1/app", { uid, name: wording(name) })
    if (at === null) continue
    await call("POST", `/api/v1/app/${uid}/endpoint`, { url: `${receiver.url}/${at}`, uid: "main" })
    for (let count = 0; count < 3; count++) {
      await call("POST", `/api/v1/app/${uid}/msg`, messageOf(count, wording))
    }
  }
}

/** Users with a message, invoices and an upload, which it answers, each with somebody who is told of it. */
async function useFamilies({ call, receiver, wording }) {
  const url = `${receiver.url}/hooks.fabrikam.example/posthorn`
  await call("POST", "/webhook", { event: "user_registered", url })
  for (const username of ["ada", "grace", "linus"]) await call("POST", "/users", { username })
  await call("POST", "/users/messages", {
    sender: "ada",
    recipient: "grace",
    subject: wording("The figures"),
    message: wording("They are in the folder."),
  })
  await call("POST", "/register", { event: "invoice_created", url })
  for (const amount of [1_299, 49, 310.5]) {
    await call("POST", "/invoices", { amount, due_date: "2027-01-31T00:00:00Z" })
  }
  const [eventType] = (await call("GET", "/event_type")).data
  const { data } = await call("POST", "/webhook/register", { event_type_id: eventType.id, user_id: 1, url })
  const form = new FormData()
  form.set("file", new Blob(["date,orders\n2026-03-01,412\n"], { type: "text/csv" }), "orders.csv")
  return (await call("POST", `/upload_file/webhook_id/${data.id}`, form)).data
}

/**
 * Answers the first one, which every endpoint but the warehouse's gets, once nothing waits
 * for its first attempt.
 */
async function sendMessages({ call, messages, wording }) {
  const sent = []
  for (let count = 0; count < messages; count++) {
    const message = {
      ...messageOf(count, wording),
      ...(count % 3 === 0 && { channels: ["emea"] }),
      ...(count === 0 && { eventId: "inv_20417-paid" }),
    }
    sent.push((await call("POST", "/api/v1/app/acme/msg", message)).id)
  }
  const deadline = Date.now() + SETTLED_WITHIN_MS
  while (await isWaiting(call, sent[0])) {
    if (Date.now() > deadline) throw new Error("The samples were not all sent in time.")
    await sleep(POLL_MS)
  }
  return sent[0]
}

function messageOf(count, wording) {
  const type = TYPES[count % TYPES.length]
  return { eventType: type?.name, payload: worded(type?.example, wording) }
}

async function isWaiting(call, message) {
  const { data } = await call("GET", `/api/v1/app/acme/msg/${message}/verdict`)
  return data.some(({ verdict, nextAttempt }) => verdict === "pending" && nextAttempt === null)
}

/** The same value, each text in it as `wording` has it. */
function worded(value, wording) {
  if (typeof value === "string") return wording(value)
  if (Array.isArray(value)) return value.map((part) => worded(part, wording))
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, worded(part, wording)]))
}

/** A JSON Schema that has the value for its example. */
function schemaOf(example) {
  const properties = Object.fromEntries(
    Object.entries(example).map(([name, value]) => [
      name,
      { type: Array.isArray(value) ? "array" : typeof value },
    ]),
  )
  return { type: "object", properties, required: ["id"], examples: [example] }
}
