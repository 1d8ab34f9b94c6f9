import { beforeEach, describe, expect, it } from "vitest"
import { expectRefusal, invoicing, issue } from "../support/invoices.ts"
import { createWorld, type World } from "../support/world.ts"

const NOON = "2026-01-15T12:00:00Z"

const UNKNOWN = "/invoices/inv_00000000000070008000000000000000"

let world: World

beforeEach(async () => {
  world = await createWorld()
})

const { created, get, patch, pay, register, bodies, countOf, loseAnswerOf } = invoicing(() => world)

describe("PATCH /invoices/{invoice_id}", () => {
  it("answers the changed invoice", async () => {
    const invoice = await created()
    world.clock.advance(61_000)
    const response = await patch(invoice.invoice_id, {
      amount: 1550,
      currency: "eur",
      due_date: "2024-04-15",
    })
    expect(response.status).toBe(200)
    const changed = {
      ...invoice,
      amount: 1550,
      currency: "EUR",
      due_date: "2024-04-15T00:00:00Z",
      status: "updated",
      updated_at: "2026-01-15T12:01:01Z",
    }
    expect(await response.json()).toEqual(changed)
    expect(await get(invoice.invoice_id)).toEqual(changed)
  })

  it.each<[string, object, string]>([
    ["the amount alone", { amount: 250.5 }, '{"amount":250.5}'],
    ["the currency alone", { currency: "EUR" }, '{"currency":"EUR"}'],
    ["the due date alone", { due_date: "2025-01-01" }, '{"due_date":"2025-01-01T00:00:00Z"}'],
    ["a due date that is taken away", { due_date: null }, '{"due_date":null}'],
    [
      "what differs alone",
      { amount: 200, currency: "USD", due_date: "2025-01-01" },
      '{"due_date":"2025-01-01T00:00:00Z"}',
    ],
    [
      "all three, in the order of the contract",
      { due_date: "2025-01-01", currency: "EUR", amount: 1 },
      '{"amount":1,"currency":"EUR","due_date":"2025-01-01T00:00:00Z"}',
    ],
  ])("publishes %s as updated_fields", async (_, change, fields) => {
    await register("invoice_updated")
    const { invoice_id: id } = await created({ amount: 200, due_date: "2024-04-15" })
    expect((await patch(id, change)).status).toBe(200)
    expect(await bodies()).toEqual([
      `{"event":"invoice_updated","data":{"invoice_id":"${id}","status":"updated","updated_fields":${fields},"updated_at":"${NOON}"}}`,
    ])
  })

  it("changes an invoice as often as it is asked to", async () => {
    await register("invoice_updated")
    const { invoice_id: id } = await created()
    for (const amount of [1, 2, 1]) expect((await patch(id, { amount })).status).toBe(200)
    expect(await bodies()).toHaveLength(3)
    expect(await get(id)).toMatchObject({ amount: 1, status: "updated" })
  })

  it.each<[string, unknown]>([
    ["no field", {}],
    ["no known field", { status: "paid", invoice_id: "1" }],
  ])("answers 422 to a change of %s", async (_, change) => {
    const { invoice_id: id } = await created()
    await expectRefusal(await patch(id, change), 422, {
      detail: [
        { loc: ["body"], msg: "must have at least one of amount, currency and due_date", type: "custom" },
      ],
    })
  })

  it.each([{ amount: 200 }, { currency: "usd" }, { due_date: null }, { amount: 200, currency: "USD" }])(
    "answers 422 to %j, which the invoice has already, and publishes nothing",
    async (change) => {
      const { invoice_id: id } = await created()
      await expectRefusal(await patch(id, change), 422, {
        detail: [
          {
            loc: ["body"],
            msg: "Nothing would change: the invoice has these values already",
            type: "invalid",
          },
        ],
      })
      expect(await get(id)).toMatchObject({ status: "pending" })
      expect(await countOf("events")).toBe(1)
    },
  )

  it.each<[string, unknown]>([
    ["amount", { amount: 1.234 }],
    ["amount", { amount: null, currency: "EUR" }],
    ["currency", { currency: "euro", amount: 1 }],
    ["due_date", { due_date: "soon", amount: 1 }],
  ])("answers 422 to a bad %s, and changes nothing else of %j", async (field, change) => {
    const invoice = await created()
    await expectRefusal(await patch(invoice.invoice_id, change), 422, issue(field))
    expect(await get(invoice.invoice_id)).toEqual(invoice)
  })

  it("answers 404 for an invoice that does not exist", async () => {
    const response = await world.fetch(UNKNOWN, { method: "PATCH", json: { amount: 1 } })
    await expectRefusal(response, 404, { code: "not_found", detail: "Invoice not found" })
  })

  it.each([{ amount: 1 }, { amount: 200 }])("answers 409 to %j once it is paid", async (change) => {
    const { invoice_id: id } = await created()
    await pay(id)
    const paid = await get(id)
    await expectRefusal(await patch(id, change), 409, {
      code: "conflict",
      detail: "The invoice is paid already",
    })
    expect(await get(id)).toEqual(paid)
    expect(await countOf("events")).toBe(2)
  })

  it.each<[string, (id: string) => Promise<Response>]>([
    ["changed", (id) => patch(id, { amount: 3 })],
    ["paid", (id) => pay(id)],
  ])("answers 409 when it was %s meanwhile, and loses nothing of that", async (_, meanwhile) => {
    const { invoice_id: id } = await created()
    const other = interruptBefore("UPDATE invoices", () => meanwhile(id))
    await expectRefusal(await patch(id, { amount: 2 }), 409, {
      code: "conflict",
      detail: "The invoice was changed meanwhile: read it again and repeat the request",
    })
    expect((await other()).status).toBe(200)
    expect((await get(id)).amount).not.toBe(2)
    expect(await countOf("events")).toBe(2)
  })

  it("publishes an event for each change that was taken, of twelve at once, and for no other", async () => {
    await register("invoice_updated")
    const { invoice_id: id } = await created()
    const answers = await Promise.all(Array.from({ length: 12 }, (_, n) => patch(id, { amount: n + 1 })))
    const taken = answers.filter(({ status }) => status === 200)
    expect(answers.every(({ status }) => status === 200 || status === 409)).toBe(true)
    expect(taken.length).toBeGreaterThan(0)
    expect(await bodies()).toHaveLength(taken.length)
  })

  it("changes once when D1 loses the answer", async () => {
    await register("invoice_updated")
    const { invoice_id: id } = await created()
    loseAnswerOf("UPDATE invoices")
    expect((await patch(id, { amount: 5 })).status).toBe(200)
    expect(await bodies()).toHaveLength(1)
    expect(await get(id)).toMatchObject({ amount: 5 })
  })
})

describe("POST /invoices/{invoice_id}/pay", () => {
  it.each<[string, unknown]>([
    ["no body", undefined],
    ["an empty object", {}],
  ])("pays the invoice's own amount in its own currency with %s", async (_, body) => {
    await register("invoice_paid")
    const invoice = await created({ amount: 19.99, currency: "EUR" })
    const response = await pay(invoice.invoice_id, body)
    expect(response.status).toBe(200)
    const paid = {
      ...invoice,
      status: "paid",
      amount_received: 19.99,
      currency_received: "EUR",
      paid_at: NOON,
    }
    expect(await response.json()).toEqual(paid)
    expect(await get(invoice.invoice_id)).toEqual(paid)
    expect(await bodies()).toEqual([
      `{"event":"invoice_paid","data":{"invoice_id":"${invoice.invoice_id}","status":"paid","amount_received":19.99,"currency":"EUR","paid_at":"${NOON}"}}`,
    ])
  })

  it("pays what was received, if that is said, and leaves the invoice's own amount alone", async () => {
    await register("invoice_paid")
    const { invoice_id: id } = await created({ amount: 200 })
    const response = await pay(id, { amount_received: 1550.0, currency: "USD" })
    expect(await response.json()).toMatchObject({ amount: 200, amount_received: 1550 })
    expect(await bodies()).toEqual([expect.stringContaining('"amount_received":1550,"currency":"USD"')])
  })

  it("takes an amount of nothing for what it is", async () => {
    const { invoice_id: id } = await created()
    expect(await (await pay(id, { amount_received: 0 })).json()).toMatchObject({ amount_received: 0 })
  })

  it.each<[string, unknown]>([
    ["amount_received", { amount_received: 1.001 }],
    ["amount_received", { amount_received: "200" }],
    ["currency", { currency: "dollars" }],
  ])("answers 422 to a bad %s, and publishes nothing: %j", async (field, body) => {
    const { invoice_id: id } = await created()
    await expectRefusal(await pay(id, body), 422, issue(field))
    expect(await get(id)).toMatchObject({ status: "pending", paid_at: null })
    expect(await countOf("events")).toBe(1)
  })

  it("answers 404 for an invoice that does not exist", async () => {
    const response = await world.fetch(`${UNKNOWN}/pay`, { method: "POST" })
    await expectRefusal(response, 404, { code: "not_found", detail: "Invoice not found" })
  })

  it("answers 409 if it is paid already, and publishes nothing", async () => {
    await register("invoice_paid")
    const { invoice_id: id } = await created()
    await pay(id)
    await expectRefusal(await pay(id, { amount_received: 5 }), 409, {
      code: "conflict",
      detail: "The invoice is paid already",
    })
    expect(await get(id)).toMatchObject({ amount_received: 200 })
    expect(await bodies()).toHaveLength(1)
  })

  it("publishes one invoice_paid when twelve pay at once", async () => {
    await register("invoice_paid")
    const { invoice_id: id } = await created()
    const answers = await Promise.all(Array.from({ length: 12 }, () => pay(id)))
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(11).fill(409)])
    expect(await bodies()).toHaveLength(1)
  })

  it("publishes the amount that is owed when the invoice is changed meanwhile", async () => {
    await register("invoice_paid")
    const { invoice_id: id } = await created()
    const change = interruptBefore("UPDATE invoices", () => patch(id, { amount: 300 }))
    expect((await pay(id)).status).toBe(200)
    expect((await change()).status).toBe(200)
    expect(await get(id)).toMatchObject({ amount: 300, amount_received: 300, status: "paid" })
    expect(await bodies()).toEqual([expect.stringContaining('"amount_received":300,')])
  })

  it("pays once when D1 loses the answer", async () => {
    await register("invoice_paid")
    const { invoice_id: id } = await created()
    loseAnswerOf("UPDATE invoices")
    expect((await pay(id)).status).toBe(200)
    expect(await bodies()).toHaveLength(1)
  })

  it("stays unpaid, without an event, when the database is full", async () => {
    const { invoice_id: id } = await created()
    world.db.sizeBytes = () => world.config.databaseLimitBytes
    const response = await pay(id)
    expect(response.status).toBe(507)
    expect(await get(id)).toMatchObject({ status: "pending" })
    expect(await countOf("events")).toBe(1)
  })

  it("is published although the queue refuses the job: a sweep finds it", async () => {
    await register("invoice_paid")
    const { invoice_id: id } = await created()
    world.queueRefuses = true
    expect((await pay(id)).status).toBe(200)
    world.queueRefuses = false
    await world.cron()
    expect(await bodies()).toHaveLength(1)
  })
})

/**
 * Another request gets in between: it runs to its end before the next batch with this in it. Answers how to
 * wait for it.
 */
function interruptBefore(sql: string, request: () => Promise<Response>): () => Promise<Response> {
  let other: Promise<Response> | undefined
  world.probe.before = async (statements) => {
    if (other || !statements.some((text) => text.includes(sql))) return
    other = request()
    await other
  }
  return () => other ?? Promise.reject(new Error("nothing was interrupted"))
}
