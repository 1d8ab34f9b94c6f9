import { sql } from "drizzle-orm"

import { newId } from "../../db/ids.ts"
import { shapeOf } from "../../db/shape.ts"
import { publish } from "../../engine/events/publish.ts"
import { EngineError, notFound } from "../../engine/kit/errors.ts"
import type { Remember } from "../../engine/kit/idempotency.ts"
import { type Page, type PageRequest, toPage, walkOf } from "../../engine/kit/page.ts"
import type { Deps } from "../../platform/deps.ts"
import { invoices } from "./schema.ts"

/** The id of application B, the invoice webhooks. */
export const APPLICATION = "app_invoices"
const INVOICE = { prefix: "inv" }
/** How often a payment looks again when the invoice was changed between reading and writing it. */
const PAY_TRIES = 5

/** Amounts in minor units, times in epoch milliseconds. `lastEvent` names the event of its latest change. */
export type Invoice = typeof invoices.$inferSelect
const shape = shapeOf(invoices)

export interface Changes {
  amount?: number | undefined
  currency?: string | undefined
  dueDate?: number | null | undefined
}

/** Creates a pending invoice and publishes what `payloadOf` makes of it. */
export async function createInvoice(
  deps: Deps,
  draft: Pick<Invoice, "amount" | "currency" | "dueDate">,
  payloadOf: (invoice: Invoice) => string,
  remember?: Remember<Invoice>,
): Promise<Invoice> {
  const now = deps.clock.now()
  const invoice: Invoice = {
    id: newId(INVOICE, now),
    ...draft,
    status: "pending",
    amountReceived: null,
    currencyReceived: null,
    createdAt: now,
    updatedAt: now,
    paidAt: null,
    lastEvent: newId("event", now),
  }
  await publish(deps, {
    applicationId: APPLICATION,
    eventId: invoice.lastEvent,
    eventType: "invoice_created",
    payload: payloadOf(invoice),
    statements: [
      sql`
        INSERT INTO invoices (id, amount, currency, due_date, status, created_at, updated_at, last_event)
        VALUES (${invoice.id}, ${invoice.amount}, ${invoice.currency}, ${invoice.dueDate}, ${invoice.status},
          ${now}, ${now}, ${invoice.lastEvent})
        ON CONFLICT DO NOTHING`,
    ],
    onlyIf: isAsOf(invoice),
    closing: remember ? [await remember(invoice, isAsOf(invoice))] : [],
  })
  return invoice
}

/** A page of the invoices in the order they were made. */
export async function listInvoices(deps: Deps, request: PageRequest): Promise<Page<Invoice>> {
  const { behind, order } = walkOf(request, sql`i.id`)
  const rows = await deps.shardOf(APPLICATION).read(sql`
    SELECT ${shape.columns("i")} FROM invoices i WHERE ${behind} ${order} LIMIT ${request.limit + 1}`)
  return toPage(request, rows.map(shape.read))
}

/** One invoice; refuses with `not_found`. */
export async function getInvoice(deps: Deps, id: string): Promise<Invoice> {
  const [row] = await deps
    .shardOf(APPLICATION)
    .read(sql`SELECT ${shape.columns("i")} FROM invoices i WHERE i.id = ${id}`)
  if (!row) throw notFound("Invoice")
  return shape.read(row)
}

/**
 * Changes an unpaid invoice and publishes what `payloadOf` makes of it and of the fields that differ. Refuses
 * with `not_found`, with `conflict` once it is paid or when it was changed meanwhile, with `invalid` when
 * nothing differs.
 */
export async function changeInvoice(
  deps: Deps,
  id: string,
  wanted: Changes,
  payloadOf: (invoice: Invoice, changed: Changes) => string,
): Promise<Invoice> {
  const before = await getInvoice(deps, id)
  refusePaid(before)
  const changed = differing(before, wanted)
  if (Object.keys(changed).length === 0) {
    throw new EngineError("invalid", "Nothing would change: the invoice has these values already")
  }
  const now = deps.clock.now()
  const after: Invoice = {
    ...before,
    ...changed,
    status: "updated",
    updatedAt: now,
    lastEvent: newId("event", now),
  }
  if (await replace(deps, before, after, "invoice_updated", payloadOf(after, changed))) return after
  throw changedMeanwhile()
}

/**
 * Marks an invoice as paid, with its own amount and currency unless others were received, and publishes what
 * `payloadOf` makes of it: once, however many pay at the same time. Refuses with `not_found` or `conflict`.
 */
export async function payInvoice(
  deps: Deps,
  id: string,
  received: { amount?: number | undefined; currency?: string | undefined },
  payloadOf: (invoice: Invoice) => string,
  remember?: Remember<Invoice>,
): Promise<Invoice> {
  for (let tries = 0; tries < PAY_TRIES; tries++) {
    const before = await getInvoice(deps, id)
    refusePaid(before)
    const now = deps.clock.now()
    const after: Invoice = {
      ...before,
      status: "paid",
      amountReceived: received.amount ?? before.amount,
      currencyReceived: received.currency ?? before.currency,
      updatedAt: now,
      paidAt: now,
      lastEvent: newId("event", now),
    }
    if (await replace(deps, before, after, "invoice_paid", payloadOf(after), remember)) return after
  }
  throw changedMeanwhile()
}

/** Writes `after` and its event in one batch if the row is still as in `before`; else nothing, and false. */
async function replace(
  deps: Deps,
  before: Invoice,
  after: Invoice,
  eventType: string,
  payload: string,
  remember?: Remember<Invoice>,
): Promise<boolean> {
  const { eventId } = await publish(deps, {
    applicationId: APPLICATION,
    eventId: after.lastEvent,
    eventType,
    payload,
    statements: [
      sql`
        UPDATE invoices SET amount = ${after.amount}, currency = ${after.currency}, due_date = ${after.dueDate},
          status = ${after.status}, amount_received = ${after.amountReceived},
          currency_received = ${after.currencyReceived}, updated_at = ${after.updatedAt},
          paid_at = ${after.paidAt}, last_event = ${after.lastEvent}
        WHERE id = ${before.id} AND last_event = ${before.lastEvent} AND status <> 'paid'`,
    ],
    onlyIf: isAsOf(after),
    closing: remember ? [await remember(after, isAsOf(after))] : [],
  })
  return eventId !== null
}

/** The condition that the invoice's row is the one that this event goes with. */
function isAsOf({ id, lastEvent }: Invoice) {
  return sql`EXISTS (SELECT 1 FROM invoices WHERE id = ${id} AND last_event = ${lastEvent})`
}

/** Those of the wanted values that the invoice does not have already. */
function differing(invoice: Invoice, { amount, currency, dueDate }: Changes) {
  return {
    ...(amount === undefined || amount === invoice.amount ? {} : { amount }),
    ...(currency === undefined || currency === invoice.currency ? {} : { currency }),
    ...(dueDate === undefined || dueDate === invoice.dueDate ? {} : { dueDate }),
  }
}

function refusePaid({ status }: Invoice): void {
  if (status === "paid") throw new EngineError("conflict", "The invoice is paid already")
}

function changedMeanwhile(): EngineError {
  return new EngineError(
    "conflict",
    "The invoice was changed meanwhile: read it again and repeat the request",
  )
}

/** Publishes an event of a type that there is; answers its id. Refuses with `not_found`. */
export async function publishEvent(
  deps: Deps,
  eventType: string,
  payload: string,
  remember?: Remember<string>,
): Promise<string> {
  const eventId = newId("event", deps.clock.now())
  const isThere = sql`EXISTS (SELECT 1 FROM events WHERE application_id = ${APPLICATION} AND id = ${eventId})`
  await publish(deps, {
    applicationId: APPLICATION,
    eventId,
    eventType,
    payload,
    closing: remember ? [await remember(eventId, isThere)] : [],
  })
  return eventId
}
