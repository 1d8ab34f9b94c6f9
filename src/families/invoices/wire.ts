import { z } from "@hono/zod-openapi"

import { writeJson } from "../../http/raw-json.ts"
import type { Changes, Invoice as InvoiceRow } from "./store.ts"

/** In major units: the greatest amount that is taken. */
const MAX_AMOUNT = 1_000_000_000_000
const MINOR_DIGITS = 2

/**
 * The amount in minor units, exactly: read off the shortest decimal that stands for the number. Null when it
 * is negative, too large, or has more decimals than there are minor units.
 */
function toMinorUnits(amount: number): number | null {
  const [, whole, decimals = ""] = /^(\d+)(?:\.(\d+))?$/.exec(String(amount)) ?? []
  if (whole === undefined || decimals.length > MINOR_DIGITS || amount > MAX_AMOUNT) return null
  return Number(whole + decimals.padEnd(MINOR_DIGITS, "0"))
}

/** The amount as a JSON number: 155000 minor units are 1550. */
function fromMinorUnits(minor: number): number {
  return minor / 10 ** MINOR_DIGITS
}

/** `2024-04-15T00:00:00Z`: B's times have no fractions of a second. */
function toTime(epochMs: number): string {
  return `${new Date(epochMs).toISOString().slice(0, 19)}Z`
}

/** An amount as sent, in minor units as stored. */
export const Amount = z
  .number()
  .transform((amount, ctx) => {
    const minor = toMinorUnits(amount)
    if (minor !== null) return minor
    ctx.addIssue("must be from 0 to 1,000,000,000,000, with at most two decimals")
    return z.NEVER
  })
  .openapi({ type: "number", description: "From 0 to 10^12, with at most two decimals" })

/** A currency code as sent, in upper case as stored. */
export const Currency = z
  .string()
  .regex(/^[A-Za-z]{3}$/, "must be a currency code of three letters, such as USD")
  .transform((code) => code.toUpperCase())

const ISO_TIME = z.union([
  z.iso.datetime({ offset: true }),
  z.iso.datetime({ offset: true, precision: -1 }), // no seconds
  z.iso.date(),
])
// An offset can lead out of the years of four digits, for which alone ISO 8601 has a form.
const FIRST_TIME = Date.parse("0000-01-01T00:00:00.000Z")
const LAST_TIME = Date.parse("9999-12-31T23:59:59.999Z")

/**
 * A time as sent, in epoch milliseconds as stored, fractions of a second cut off; a date is its
 * midnight in UTC. Null: none.
 */
export const DueDate = z
  .string()
  .transform((text, ctx) => {
    const time = ISO_TIME.safeParse(text).success ? Date.parse(text) : Number.NaN
    if (time >= FIRST_TIME && time <= LAST_TIME) return Math.floor(time / 1000) * 1000
    ctx.addIssue("must be a date, or a time with Z or an offset, such as 2024-04-15T00:00:00Z")
    return z.NEVER
  })
  .nullable()
  .openapi({ type: ["string", "null"], description: "ISO 8601: a date, or a time with `Z` or an offset" })

export const Invoice = z
  .object({
    invoice_id: z.string(),
    amount: z.number(),
    currency: z.string(),
    due_date: z.string().nullable(),
    status: z.enum(["pending", "updated", "paid"]),
    amount_received: z.number().nullable(),
    currency_received: z.string().nullable(),
    created_at: z.string(),
    updated_at: z.string(),
    paid_at: z.string().nullable(),
  })
  .openapi("Invoice", {
    example: {
      invoice_id: "inv_019a8f0c5d1b7c3e9a4f2b6d8e0c1a3f",
      amount: 1550,
      currency: "USD",
      due_date: "2024-04-15T00:00:00Z",
      status: "paid",
      amount_received: 1550,
      currency_received: "USD",
      created_at: "2024-03-14T14:00:00Z",
      updated_at: "2024-03-20T10:00:00Z",
      paid_at: "2024-03-20T10:00:00Z",
    },
  })

export function toWire(invoice: InvoiceRow): z.infer<typeof Invoice> {
  return {
    invoice_id: invoice.id,
    amount: fromMinorUnits(invoice.amount),
    currency: invoice.currency,
    due_date: invoice.dueDate === null ? null : toTime(invoice.dueDate),
    status: invoice.status,
    amount_received: invoice.amountReceived === null ? null : fromMinorUnits(invoice.amountReceived),
    currency_received: invoice.currencyReceived,
    created_at: toTime(invoice.createdAt),
    updated_at: toTime(invoice.updatedAt),
    paid_at: invoice.paidAt === null ? null : toTime(invoice.paidAt),
  }
}

/** What B's receivers get. */
export function toPayload(event: string, data: unknown): string {
  return writeJson({ event, data })
}

export function createdPayload({ id, amount, status }: InvoiceRow): string {
  return toPayload("invoice_created", { invoice_id: id, amount: fromMinorUnits(amount), status })
}

export function updatedPayload({ id, status, updatedAt }: InvoiceRow, changed: Changes): string {
  const { amount, currency, dueDate } = changed
  // JSON leaves out what is undefined: these are just the fields that changed.
  const fields = {
    amount: amount === undefined ? undefined : fromMinorUnits(amount),
    currency,
    due_date: dueDate == null ? dueDate : toTime(dueDate),
  }
  return toPayload("invoice_updated", {
    invoice_id: id,
    status,
    updated_fields: fields,
    updated_at: toTime(updatedAt),
  })
}

export function paidPayload(invoice: InvoiceRow): string {
  const { invoice_id, status, amount_received, currency_received, paid_at } = toWire(invoice)
  return toPayload("invoice_paid", {
    invoice_id,
    status,
    amount_received,
    currency: currency_received,
    paid_at,
  })
}
