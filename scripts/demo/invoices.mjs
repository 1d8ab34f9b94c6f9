import assert from "node:assert/strict"

import { verified } from "./verify.mjs"

/**
 * The invoice webhook system.
 * @type {import("./verify.mjs").Family}
 */
export const invoices = {
  title: "Invoices",
  steps: [
    ["POST /register registers a receiver for each event", register],
    ["POST /invoices publishes invoice_created", create],
    ["PATCH /invoices/{id} publishes invoice_updated with just what changed", update],
    ["POST /invoices/{id}/pay publishes invoice_paid, once", pay],
  ],
}

let invoice

async function register({ call, receiver, secrets }) {
  const lines = []
  for (const event of ["invoice_created", "invoice_updated", "invoice_paid"]) {
    const url = `${receiver.url}/${event}`
    const { message, secret } = await call(
      "POST",
      "/register",
      { event, url },
      { accept: "application/json" },
    )
    secrets.set(`/${event}`, secret)
    lines.push(message)
  }
  return lines
}

async function create(world) {
  invoice = await world.call("POST", "/invoices", { amount: 200.5, due_date: "2026-12-24T00:00:00Z" })
  return arrival(world, "invoice_created", { amount: 200.5, status: "pending" })
}

async function update(world) {
  await world.call("PATCH", `/invoices/${invoice.invoice_id}`, { amount: 1550 })
  return arrival(world, "invoice_updated", { updated_fields: { amount: 1550 } })
}

async function pay(world) {
  const path = `/invoices/${invoice.invoice_id}/pay`
  await world.call("POST", path, {})
  const lines = await arrival(world, "invoice_paid", { amount_received: 1550, currency: "USD" })
  await assert.rejects(world.call("POST", path, {}), /409/)
  return [...lines, "a second payment is refused with 409"]
}

/** The line for this event once it has arrived, verified, with at least these fields. */
async function arrival(world, event, fields) {
  const request = await world.receiver.arrival(({ path }) => path === `/${event}`)
  const { data } = verified(request, world)
  assert.equal(data.invoice_id, invoice.invoice_id)
  for (const [name, value] of Object.entries(fields)) assert.deepEqual(data[name], value)
  return [`${request.path} got ${request.body}: signature verified`]
}
