import { z } from "@hono/zod-openapi"
import { invalid, problems } from "../../http/dialects/plain.ts"
import { IdempotencyKey, idempotent } from "../../http/middleware/idempotency.ts"
import { jsonBody } from "../../http/middleware/json-body.ts"
import { operation } from "../../http/operation.ts"
import { paged, pageFrom, pageQuery } from "../../http/page.ts"
import { createRouter } from "../../http/router.ts"
import {
  APPLICATION,
  changeInvoice,
  createInvoice,
  getInvoice,
  type Invoice as InvoiceRow,
  listInvoices,
  payInvoice,
} from "./store.ts"
import {
  Amount,
  Currency,
  createdPayload,
  DueDate,
  Invoice,
  paidPayload,
  toWire,
  updatedPayload,
} from "./wire.ts"

const DEFAULT_CURRENCY = "USD"

const NewInvoice = z
  .object({
    amount: Amount,
    currency: Currency.optional().openapi({ description: `${DEFAULT_CURRENCY} if omitted` }),
    due_date: DueDate.optional(),
  })
  .openapi("NewInvoice", { example: { amount: 200, currency: "USD", due_date: "2024-04-15T00:00:00Z" } })

const InvoiceChange = z
  .object({
    amount: Amount.optional(),
    currency: Currency.optional(),
    due_date: DueDate.optional(),
  })
  .refine(
    (change) => Object.values(change).some((value) => value !== undefined),
    "must have at least one of amount, currency and due_date",
  )
  .openapi("InvoiceChange", {
    anyOf: ["amount", "currency", "due_date"].map((field) => ({ required: [field] })),
    example: { amount: 1550, due_date: "2024-04-15T00:00:00Z" },
  })

const Payment = z
  .object({ amount_received: Amount.optional(), currency: Currency.optional() })
  .openapi("Payment", { example: { amount_received: 1550, currency: "USD" } })

const InvoiceId = z.object({
  invoice_id: z.string().openapi({ example: "inv_019a8f0c5d1b7c3e9a4f2b6d8e0c1a3f" }),
})

const one = (description: string) => ({ description, content: { "application/json": { schema: Invoice } } })

export const invoices = createRouter()

invoices.openapi(
  operation({
    operationId: "createInvoice",
    tags: ["Invoices"],
    summary: "Create an invoice",
    description: "Publishes `invoice_created`.",
    method: "post",
    path: "/invoices",
    middleware: [jsonBody()],
    request: {
      headers: IdempotencyKey,
      body: { required: true, content: { "application/json": { schema: NewInvoice } } },
    },
    responses: { 201: one("Created"), ...problems(413, 507), ...invalid },
  }),
  async (c) => {
    const { amount, currency = DEFAULT_CURRENCY, due_date: dueDate = null } = c.req.valid("json")
    const { status, body } = await idempotent(
      c,
      { applicationId: APPLICATION },
      (remember) => createInvoice(c.var.deps, { amount, currency, dueDate }, createdPayload, remember),
      (invoice: InvoiceRow) => ({ status: 201, body: toWire(invoice) }),
    )
    return c.json(body, status)
  },
)

invoices.openapi(
  operation({
    operationId: "listInvoices",
    tags: ["Invoices"],
    summary: "List the invoices, oldest first",
    description: "At most 1,000 a page; the `Link` header leads to the next one.",
    method: "get",
    path: "/invoices",
    request: { query: z.object(pageQuery) },
    responses: {
      200: {
        description: "A page of invoices",
        content: { "application/json": { schema: z.array(Invoice) } },
      },
      ...problems(),
      ...invalid,
    },
  }),
  async (c) => {
    const page = await listInvoices(c.var.deps, pageFrom(c.req.valid("query")))
    return c.json(paged(c, page).map(toWire), 200)
  },
)

invoices.openapi(
  operation({
    operationId: "getInvoice",
    tags: ["Invoices"],
    summary: "Get an invoice",
    method: "get",
    path: "/invoices/{invoice_id}",
    request: { params: InvoiceId },
    responses: { 200: one("The invoice"), ...problems(404) },
  }),
  async (c) => c.json(toWire(await getInvoice(c.var.deps, c.req.valid("param").invoice_id)), 200),
)

invoices.openapi(
  operation({
    operationId: "updateInvoice",
    tags: ["Invoices"],
    summary: "Change an unpaid invoice",
    description:
      "Publishes `invoice_updated` with just the fields that changed. A change to the values that the invoice has already is none, and refused.",
    method: "patch",
    path: "/invoices/{invoice_id}",
    middleware: [jsonBody()],
    request: {
      params: InvoiceId,
      body: { required: true, content: { "application/json": { schema: InvoiceChange } } },
    },
    responses: { 200: one("Changed"), ...problems(404, 409, 413, 507), ...invalid },
  }),
  async (c) => {
    const { amount, currency, due_date: dueDate } = c.req.valid("json")
    const { invoice_id: id } = c.req.valid("param")
    const invoice = await changeInvoice(c.var.deps, id, { amount, currency, dueDate }, updatedPayload)
    return c.json(toWire(invoice), 200)
  },
)

invoices.openapi(
  operation({
    operationId: "payInvoice",
    tags: ["Invoices"],
    summary: "Record that an invoice was paid",
    description:
      "Amount and currency are the invoice's own unless others were received. Publishes `invoice_paid`, once.",
    method: "post",
    path: "/invoices/{invoice_id}/pay",
    middleware: [jsonBody({ emptyIs: "{}" })],
    request: {
      params: InvoiceId,
      headers: IdempotencyKey,
      body: { required: false, content: { "application/json": { schema: Payment } } },
    },
    responses: { 200: one("Paid"), ...problems(404, 409, 413, 507), ...invalid },
  }),
  async (c) => {
    const { amount_received: amount, currency } = c.req.valid("json")
    const { invoice_id: id } = c.req.valid("param")
    const { status, body } = await idempotent(
      c,
      { applicationId: APPLICATION, ids: async () => [id] },
      (remember) => payInvoice(c.var.deps, id, { amount, currency }, paidPayload, remember),
      (invoice: InvoiceRow) => ({ status: 200, body: toWire(invoice) }),
    )
    return c.json(body, status)
  },
)
