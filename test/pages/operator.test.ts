import { once } from "node:events"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { afterAll, beforeAll, describe, expect, it } from "vitest"

import { type Dashboard, expectSound, expectWholeOnPhone, startDashboard } from "./dashboard.ts"

const APPLICATIONS = 200
/** Requests by which they are made at once. */
const AT_ONCE = 10
const POLL_MS = 10_000

let dashboard: Dashboard
let receiver: Server
let origin: string

beforeAll(async () => {
  dashboard = await startDashboard({ RETRY_SCHEDULE: "3600,3600" })
  receiver = createServer((request, response) => {
    request.resume()
    response.writeHead(request.url?.startsWith("/broken") ? 503 : 200).end()
  }).listen(0, "127.0.0.1")
  await once(receiver, "listening")
  origin = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`
  const numbers = Array.from({ length: APPLICATIONS }, (_, n) => n)
  for (let start = 0; start < APPLICATIONS; start += AT_ONCE) {
    await Promise.all(numbers.slice(start, start + AT_ONCE).map(makeCustomer))
  }
})
afterAll(async () => {
  receiver?.close()
  await dashboard?.stop()
})

/** An application with one endpoint: that of number 117 fails. */
async function makeCustomer(n: number): Promise<void> {
  const uid = `customer-${n}`
  await dashboard.call("POST", "/api/v1/app", { name: `Customer ${n}`, uid })
  const url = `${origin}/${n === 117 ? "broken" : "well"}/${n}`
  await dashboard.call("POST", `/api/v1/app/${uid}/endpoint`, { url, uid: "hook" })
}

async function send(n: number, eventType: string): Promise<void> {
  await dashboard.call("POST", `/api/v1/app/customer-${n}/msg`, { eventType, payload: { n } })
}

describe("an operator's day with 200 applications", () => {
  it("finds the one endpoint that fails, opens it, disables and enables it", async () => {
    await Promise.all([send(3, "invoice.paid"), send(117, "invoice.paid"), send(190, "invoice.paid")])
    const watched = await dashboard.open("/")
    const { page } = watched
    await page.getByRole("heading", { name: "Needs attention" }).waitFor()
    const row = page.getByRole("row", { name: /broken\/117/ })
    await row.waitFor()
    await page.keyboard.press("r")
    await page.getByRole("button", { name: /^Failing/ }).click()
    expect(await page.locator("tbody tr").count()).toBe(1)
    expect(await row.textContent()).toMatch(/Customer 117/)
    expect(await row.textContent()).toMatch(/answered 503/)
    expect(new URL(page.url()).search).toBe("?state=failing")
    await expectSound(watched)
    await expectWholeOnPhone(page)

    await row.getByRole("link").click()
    await page.getByRole("button", { name: "Disable" }).click()
    await page.getByRole("dialog").getByRole("button", { name: "Disable" }).click()
    await page.getByRole("button", { name: "Enable" }).waitFor()
    await page.getByRole("link", { name: "Needs attention" }).click()
    await page.getByRole("row", { name: /by hand/ }).waitFor()
    await page.getByRole("link", { name: /broken\/117/ }).click()
    await page.getByRole("button", { name: "Enable" }).click()
    await page.getByRole("button", { name: "Disable" }).waitFor()
    await page.getByRole("link", { name: "Needs attention" }).click()
    await page.getByText("Every endpoint is well").waitFor()
    await expectSound(watched)
  })

  it("sees a message that comes in while it looks, and nothing new while it is paused", async () => {
    const watched = await dashboard.open("/dashboard/live")
    const { page } = watched
    await page.getByText("As it happens").waitFor()
    await send(42, "parcel.sent")
    await page.getByRole("row", { name: /parcel\.sent.*delivered.*200.*Customer 42/ }).waitFor()
    await expectSound(watched)

    await page.clock.install()
    await page.reload()
    await page.getByText("parcel.sent").first().waitFor()
    let asked = 0
    page.on("request", (request) => {
      if (request.url().includes("/overview/activity")) asked++
    })
    const asks = page.waitForRequest(/overview\/activity/)
    await page.clock.runFor(2 * POLL_MS)
    await asks
    await page.getByRole("button", { name: "Pause" }).click()
    await page.getByText("Paused: nothing moves").waitFor()
    await send(43, "parcel.lost")
    asked = 0
    await page.clock.runFor(2 * POLL_MS)
    expect(asked).toBe(0)
    expect(await page.getByText("parcel.lost").count()).toBe(0)
    await expectSound(watched)
    await page.getByRole("button", { name: "Go on" }).click()
    await page.getByText("parcel.lost").first().waitFor()
  })

  it("counts, searches and sorts what has happened, and each row leads to its page", async () => {
    const { page, faults } = await dashboard.open("/dashboard/live?kind=attempt")
    await page.getByText("invoice.paid").first().waitFor()
    await page.getByRole("searchbox").fill("customer 117")
    await page.waitForURL(/search=customer/)
    await page.getByRole("button", { name: "failed 1" }).click()
    expect(await page.locator("tbody tr").count()).toBe(1)
    await page.getByLabel("Sort").selectOption("slowest")
    const { searchParams } = new URL(page.url())
    expect(Object.fromEntries(searchParams)).toEqual({
      kind: "attempt",
      search: "customer 117",
      state: "failed",
      sort: "slowest",
    })
    await page.getByText("Queue events").waitFor()
    await page.locator("tbody a").first().click()
    await page.getByRole("heading", { name: /Failed once/ }).waitFor()
    expect(faults).toEqual([])
  })
})

describe("tasks", () => {
  it("are listed with what became of them", async () => {
    const since = new Date(Date.now() - 3_600_000).toISOString()
    await dashboard.call("POST", "/api/v1/app/customer-117/endpoint/hook/recover", { since })
    const watched = await dashboard.open("/dashboard/tasks")
    const { page } = watched
    await page.getByRole("link", { name: "Recover an endpoint" }).waitFor()
    await expectSound(watched)
    await page.getByRole("link", { name: "Recover an endpoint" }).click()
    await page.getByText("Finished").waitFor()
    expect(await page.getByRole("button", { name: "Cancel task" }).count()).toBe(0)
    await expectSound(watched)
  })

  it("show that they go on, and are canceled after a question", async () => {
    const watched = await dashboard.open("/dashboard/tasks")
    const { page } = watched
    const task = { id: "qtask_1", task: "endpoint.recover", updatedAt: new Date().toISOString() }
    let answer: object = { ...task, status: "running", data: { processed: 4000, reason: null } }
    await page.route("**/api/v1/background-task/qtask_1**", (route) => {
      if (route.request().method() === "POST")
        answer = { ...task, status: "failed", data: { processed: 4000, reason: "canceled" } }
      return route.fulfill({ json: answer })
    })
    await page.goto(`${dashboard.url}/dashboard/tasks/qtask_1`)
    await page.getByRole("progressbar", { name: "The task goes on" }).waitFor()
    await page.getByText("4,000").waitFor()
    await expectSound(watched)
    await page.getByRole("button", { name: "Cancel task" }).click()
    await page.getByRole("dialog").getByRole("button", { name: "Cancel task" }).click()
    await page.getByText("It was canceled: what its steps had done until then stays.").waitFor()
    await expectSound(watched)
  })
})
