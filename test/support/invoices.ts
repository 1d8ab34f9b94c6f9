import { expect } from "vitest"

export interface Invoice {
  invoice_id: string
  amount: number
  currency: string
  due_date: string | null
  status: string
  amount_received: number | null
  currency_received: string | null
  updated_at: string
  paid_at: string | null
}

export const issue = (field: string) => ({
  detail: [{ loc: ["body", field], msg: expect.any(String), type: expect.any(String) }],
})
