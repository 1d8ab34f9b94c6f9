import { expect } from "vitest"
import type { World } from "./world.ts"

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

const HOOK = "http://receiver.example/hook"

/** What tests of B's invoices do through the doors of the world that `of` answers when they run. */
export function invoicing(of: () => World) {
  const create = (invoice: object = { amount: 200 }) => of().fetch("/invoices", { json: invoice })
  return {
    create,
    created: async (invoice?: object) => (await create(invoice)).json<Invoice>(),
    get: async (id: string) => (await of().fetch(`/invoices/${id}`)).json<Invoice>(),
    patch: (id: string, json: unknown) => of().fetch(`/invoices/${id}`, { method: "PATCH", json }),
    pay: (id: string, json?: unknown) =>
      of().fetch(`/invoices/${id}/pay`, json === undefined ? { method: "POST" } : { json }),
    /** Registers the receiver for these events; answers its secret. */
    async register(...events: string[]): Promise<string> {
      const secrets: string[] = []
      for (const event of events) {
        const headers = { accept: "application/json" }
        const response = await of().fetch("/register", { json: { event, url: HOOK }, headers })
        secrets.push((await response.json<{ secret?: string }>()).secret ?? "")
      }
      return secrets[0] ?? ""
    },
    /** What the receiver got, once everything that is due has run. */
    async bodies(): Promise<string[]> {
      await of().runAll()
      return of()
        .receivers.to(HOOK)
        .map(({ body }) => body)
    },
    /** How many rows there are, less the events that tell of operations. */
    async countOf(table: "invoices" | "events"): Promise<number> {
      const where = table === "events" ? "WHERE application_id <> 'app_operations'" : ""
      const row = await of()
        .env.DB.prepare(`SELECT count(*) AS n FROM ${table} ${where}`)
        .first<{ n: number }>()
      return row?.n ?? 0
    },
    /** D1 does what it is asked, but the answer to the first batch with this in it gets lost. */
    loseAnswerOf(sql: string): void {
      let faults = 1
      of().probe.after = (statements) => {
        if (statements.some((text) => text.includes(sql)) && faults-- > 0)
          throw new Error("D1_ERROR: Network connection lost.")
      }
    },
  }
}

export async function expectRefusal(response: Response, status: number, body: unknown): Promise<void> {
  expect(response.status).toBe(status)
  expect(response.headers.get("content-type")).toBe("application/json")
  expect(await response.json()).toEqual(body)
}
