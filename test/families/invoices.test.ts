import { beforeEach, describe, expect, it } from "vitest"
import { expectRefusal, type Invoice, invoicing, issue } from "../support/invoices.ts"
import { verify } from "../support/receiver.ts"
import { createWorld, ORIGIN, type World } from "../support/world.ts"

const HOOK = "http://receiver.example/hook"

const NOON = "2026-01-15T12:00:00Z"

const UNKNOWN = "/invoices/inv_00000000000070008000000000000000"

let world: World

beforeEach(async () => {
  world = await createWorld()
})

const { create, created, get, patch, pay, register, bodies, countOf, loseAnswerOf } = invoicing(() => world)

const createText = (body: string) =>
  world.fetch("/invoices", { method: "POST", body, headers: { "content-type": "application/json" } })

describe("an invoice", () => {
  it("is created, changed and paid, and its receiver gets the three documented payloads, signed", async () => {
    const secret = await register("invoice_created", "invoice_updated", "invoice_paid")
    const { invoice_id: id } = await created({ amount: 200 })
    world.clock.advance(1000)
    await patch(id, { amount: 1550.0, due_date: "2024-04-15T00:00:00Z" })
    world.clock.advance(1000)
    await pay(id)
    expect(await bodies()).toEqual([
      `{"event":"invoice_created","data":{"invoice_id":"${id}","amount":200,"status":"pending"}}`,
      `{"event":"invoice_updated","data":{"invoice_id":"${id}","status":"updated","updated_fields":{"amount":1550,"due_date":"2024-04-15T00:00:00Z"},"updated_at":"2026-01-15T12:00:01Z"}}`,
      `{"event":"invoice_paid","data":{"invoice_id":"${id}","status":"paid","amount_received":1550,"currency":"USD","paid_at":"2026-01-15T12:00:02Z"}}`,
    ])
    for (const delivery of world.receivers.to(HOOK)) {
      expect(verify(secret, delivery)).toEqual(delivery.json)
      expect(delivery.headers["content-type"]).toBe("application/json")
    }
  })
})

describe("POST /invoices", () => {
  it("answers 201 with the invoice, in US dollars and without a due date if nothing else is said", async () => {
    const response = await create({ amount: 200 })
    expect(response.status).toBe(201)
    expect(response.headers.get("content-type")).toBe("application/json")
    const { invoice_id: id, ...rest } = await response.json<Invoice>()
    expect(id).toMatch(/^inv_[0-9a-f]{32}$/)
    expect(rest).toEqual({
      amount: 200,
      currency: "USD",
      due_date: null,
      status: "pending",
      amount_received: null,
      currency_received: null,
      created_at: NOON,
      updated_at: NOON,
      paid_at: null,
    })
  })

  it("cuts times to seconds", async () => {
    world.clock.advance(999)
    expect(await created()).toMatchObject({ created_at: NOON, updated_at: NOON })
  })

  it("ignores unknown fields, an id and a status among them", async () => {
    const invoice = await created({ amount: 1, invoice_id: "123", status: "paid", x: {} })
    expect(invoice).toMatchObject({ amount: 1, status: "pending" })
    expect(invoice.invoice_id).not.toBe("123")
  })

  it.each([
    [0, 0],
    [-0, 0],
    [0.01, 0.01],
    [0.1, 0.1],
    [0.29, 0.29],
    [1.1, 1.1],
    [8.41, 8.41],
    [19.99, 19.99],
    [64.1, 64.1],
    [1550.0, 1550],
    [4.35, 4.35],
    [999_999_999_999.99, 999_999_999_999.99],
    [1_000_000_000_000, 1_000_000_000_000],
  ])("keeps the amount %d to the cent, and sends it as a JSON number", async (amount, shown) => {
    await register("invoice_created")
    const { invoice_id: id } = await created({ amount })
    expect(await (await world.fetch(`/invoices/${id}`)).text()).toContain(`"amount":${shown},`)
    const [body] = await bodies()
    expect(body).toContain(`"amount":${shown},`)
    const row = await world.env.DB.prepare("SELECT amount FROM invoices").first<{ amount: number }>()
    expect(row?.amount).toBe(Math.round(shown * 100))
  })

  it.each([
    ["1550.00", 1550],
    ["1.55e3", 1550],
    ["19.990", 19.99],
  ])("reads %s, however the number is written", async (text, amount) => {
    const response = await createText(`{"amount":${text}}`)
    expect(await response.json()).toMatchObject({ amount })
  })

  it.each([
    ["has three decimals", "0.001"],
    ["is the noise of a sum", String(0.1 + 0.2)],
    ["is tiny", "1e-7"],
    ["is a cent below nothing", "-0.01"],
    ["is negative", "-200"],
    ["is over 10^12 by a cent", "1000000000000.01"],
    ["is over 10^12", "1000000000001"],
    ["has an exponent that leads out of it", "1e21"],
    ["is beyond every number", "1e400"],
    ["is a string", '"200"'],
    ["is null", "null"],
    ["is a list", "[200]"],
    ["is true", "true"],
  ])("answers 422 when the amount %s", async (_, amount) => {
    const response = await createText(`{"amount":${amount}}`)
    await expectRefusal(response, 422, issue("amount"))
    expect([await countOf("invoices"), await countOf("events")]).toEqual([0, 0])
  })

  it.each([
    ["there is none", "{}", "amount"],
    ["it is NaN, which is no JSON", '{"amount":NaN}', undefined],
    ["the body is a list", "[]", undefined],
    ["the body is empty", "", undefined],
  ])("answers 422 for the amount when %s", async (_, body, field) => {
    const response = await createText(body)
    expect(response.status).toBe(422)
    const { detail } = await response.json<{ detail: { loc: string[] }[] }>()
    expect(detail.map(({ loc }) => loc)).toEqual([field === undefined ? ["body"] : ["body", field]])
  })

  it.each([
    ["EUR", "EUR"],
    ["jpy", "JPY"],
  ])("takes the currency %s", async (currency, kept) => {
    expect(await created({ amount: 1, currency })).toMatchObject({ currency: kept })
  })

  it.each(["", "US", "USDT", "U$D", "ÜSD", " USD", "USD\n", "ßD", 840, null, ["USD"]])(
    "answers 422 to the currency %j",
    async (currency) => {
      await expectRefusal(await create({ amount: 1, currency }), 422, issue("currency"))
      expect(await countOf("invoices")).toBe(0)
    },
  )

  it.each([
    ["2024-04-15T00:00:00Z", "2024-04-15T00:00:00Z"],
    ["2024-04-15", "2024-04-15T00:00:00Z"],
    ["2024-02-29", "2024-02-29T00:00:00Z"],
    ["2024-04-15T00:00:00+02:00", "2024-04-14T22:00:00Z"],
    ["2024-04-15T23:30:00-05:30", "2024-04-16T05:00:00Z"],
    ["2024-04-15T12:34:56.999Z", "2024-04-15T12:34:56Z"],
    ["1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59Z"],
    ["2024-04-15T12:34Z", "2024-04-15T12:34:00Z"],
    ["0000-01-01T00:00:00Z", "0000-01-01T00:00:00Z"],
    ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"],
    [null, null],
  ])("keeps the due date %s as %s", async (due, kept) => {
    const { invoice_id: id, due_date } = await created({ amount: 1, due_date: due })
    expect(due_date).toBe(kept)
    expect((await get(id)).due_date).toBe(kept)
  })

  it.each([
    "",
    "tomorrow",
    "2024-04-15T00:00:00",
    "2024-04-15 00:00:00Z",
    "2023-02-29",
    "2024-04-31T00:00:00Z",
    "2024-13-01",
    "2024-04-15T24:00:01Z",
    "2024-04-15T12:60:00Z",
    "15.04.2024",
    "20240415",
    "0000-01-01T00:00:00+01:00",
    "9999-12-31T23:59:59-01:00",
    "+012024-04-15T00:00:00Z",
    1713139200,
    true,
    {},
  ])("answers 422 to the due date %j", async (due) => {
    await expectRefusal(await create({ amount: 1, due_date: due }), 422, issue("due_date"))
    expect(await countOf("invoices")).toBe(0)
  })

  it("writes neither invoice nor event when the database fails, and says nothing of the inside", async () => {
    world.probe.before = () => {
      throw new Error("D1_ERROR: no luck")
    }
    const response = await create()
    expect(response.status).toBe(500)
    expect(await response.text()).not.toContain("D1_ERROR")
    expect([await countOf("invoices"), await countOf("events")]).toEqual([0, 0])
  })

  it("makes one invoice and one event when D1 loses the answer", async () => {
    await register("invoice_created")
    loseAnswerOf("INTO invoices")
    expect((await create()).status).toBe(201)
    expect(await bodies()).toHaveLength(1)
    expect([await countOf("invoices"), await countOf("events")]).toEqual([1, 1])
  })
})

describe("GET /invoices", () => {
  it("is empty at first", async () => {
    const response = await world.fetch("/invoices")
    expect(response.status).toBe(200)
    expect(response.headers.get("content-type")).toBe("application/json")
    expect(await response.text()).toBe("[]")
  })

  it("answers the invoices, oldest first", async () => {
    const made = [await created({ amount: 1 }), await created({ amount: 2 }), await created({ amount: 3 })]
    expect(await (await world.fetch("/invoices/")).json()).toEqual(made)
  })

  it("stops at 1,000 and lists every invoice once along the links", async () => {
    await insertInvoices(2001)
    const amounts: number[] = []
    const lengths: number[] = []
    for (let path: string | undefined = "/invoices"; path !== undefined; ) {
      const response = await world.fetch(path)
      const page = await response.json<Invoice[]>()
      lengths.push(page.length)
      amounts.push(...page.map(({ amount }) => amount))
      const link = response.headers.get("link")
      if (link) expect(link).toMatch(new RegExp(`^<${ORIGIN}/invoices\\?cursor=[a-z0-9_]+>; rel="next"$`))
      path = link?.slice(1, link.indexOf(">")).slice(ORIGIN.length)
    }
    expect(lengths).toEqual([1000, 1000, 1])
    expect(amounts).toEqual(Array.from({ length: 2001 }, (_, n) => n))
  })

  it("has no Link on a page of exactly 1,000", async () => {
    await insertInvoices(1000)
    expect((await world.fetch("/invoices")).headers.get("link")).toBeNull()
  })

  it("refuses a cursor that is none", async () => {
    await expectRefusal(await world.fetch("/invoices?cursor=1000"), 422, {
      detail: [expect.objectContaining({ loc: ["query", "cursor"] })],
    })
  })

  async function insertInvoices(count: number): Promise<void> {
    await world.env.DB.prepare(
      `WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ?1 - 1)
       INSERT INTO invoices (id, amount, currency, status, created_at, updated_at, last_event)
       SELECT 'inv_' || printf('%032x', i), i * 100, 'USD', 'pending', 1, 1, 'evt_' || i FROM n`,
    )
      .bind(count)
      .run()
  }
})

describe("GET /invoices/{invoice_id}", () => {
  it("answers the invoice as it was created", async () => {
    const invoice = await created({ amount: 19.99, currency: "EUR", due_date: "2024-04-15" })
    const response = await world.fetch(`/invoices/${invoice.invoice_id}/`)
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual(invoice)
  })

  it.each([UNKNOWN, "/invoices/123", "/invoices/%00", "/invoices/'--"])(
    "answers 404 for %s",
    async (path) => {
      await expectRefusal(await world.fetch(path), 404, { code: "not_found", detail: "Invoice not found" })
    },
  )

  it("answers 405 to a method it does not have, and names those it has", async () => {
    const response = await world.fetch(UNKNOWN, { method: "DELETE" })
    expect(response.headers.get("allow")).toBe("GET, HEAD, PATCH")
    await expectRefusal(response, 405, { detail: "Method Not Allowed" })
  })
})
