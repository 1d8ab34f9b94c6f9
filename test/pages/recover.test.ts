import { afterAll, beforeAll, expect, it, vi } from "vitest"

import { multiplyEvents, openStopped } from "../../scripts/bench/fresh-system.mjs"
import { startReceiver } from "../../scripts/receiver.mjs"
import { type Dashboard, expectSound, startDashboard } from "./dashboard.ts"

// A recovery that takes its time, in full: of so many messages that it is made in twenty steps, of 2,000 each.

const FAILED = 40_000
const HOUR_MS = 3600_000
/** So that what becomes due again is not all sent before anybody has looked. */
const PER_SECOND = 5

/** How long a step takes is a matter of the machine: this is work that keeps any of them busy for a while. */
const SLOW_STEPS = `
  CREATE TRIGGER slow_steps AFTER UPDATE OF processed ON tasks BEGIN
    SELECT count(*) FROM (SELECT 1 FROM deliveries LIMIT 7000) CROSS JOIN (SELECT 1 FROM deliveries LIMIT 7000);
  END`

interface Counts {
  failed: number
  retrying: number
  isComplete: boolean
}

let dashboard: Dashboard
let receiver: Awaited<ReturnType<typeof startReceiver>>
let endpoint: { id: string }
let status = 500

beforeAll(async () => {
  dashboard = await startDashboard({ RETRY_SCHEDULE: "1" })
  receiver = await startReceiver(0, { status: () => status })
  await dashboard.call("POST", "/api/v1/app", { name: "Acme", uid: "acme" })
  endpoint = await dashboard.call("POST", "/api/v1/app/acme/endpoint", {
    url: `${receiver.url}/hook`,
    throttleRate: PER_SECOND,
  })
  const message = await dashboard.call<{ id: string }>("POST", "/api/v1/app/acme/msg", {
    eventType: "invoice.paid",
    payload: { id: "inv_1" },
  })
  await vi.waitFor(async () => expect((await counts()).failed).toBe(1), { timeout: 30_000, interval: 200 })
  await dashboard.whileStopped((folder) => {
    multiplyEvents(folder, [message.id], FAILED - 1, { spanMs: HOUR_MS })
    const db = openStopped(folder)
    db.exec(SLOW_STEPS)
    db.close()
  })
  status = 200
})
afterAll(async () => {
  await receiver?.close()
  await dashboard?.stop()
})

const counts = () => dashboard.call<Counts>("GET", `/api/v1/app/acme/endpoint/${endpoint.id}/delivery-counts`)

it("a recovery shows how far it is, is canceled half way, and what it has not reached is not sent", async () => {
  const before = receiver.requests.length
  const watched = await dashboard.open(`/dashboard/app/acme/endpoints/${endpoint.id}?tab=recover&since=24`)
  const { page } = watched
  await page.getByText("2,000+").waitFor()
  await expectSound(watched)
  await page.getByRole("button", { name: "Send what failed again" }).click()

  const bar = page.getByRole("progressbar")
  const share = async () => Number(await bar.getAttribute("value"))
  const first = await share()
  await expect.poll(share, { timeout: 30_000 }).toBeGreaterThan(first)
  await page.getByRole("button", { name: "Cancel" }).click()
  await page.getByText(/^Canceled\. /).waitFor()
  await expectSound(watched)
  const reached = Number(
    /[\d,]+/.exec((await page.getByText(/^Canceled\. /).textContent()) ?? "")?.[0].replace(",", ""),
  )
  expect(reached).toBeGreaterThan(0)
  expect(reached).toBeLessThan(FAILED)
  expect(await share()).toBeLessThan(1)

  await page.getByRole("link", { name: "See the deliveries" }).click()
  await page.getByRole("button", { name: "Failed 2,000+" }).waitFor()
  await receiver.arrivals(before + 1, () => true)
  expect(await counts()).toMatchObject({ failed: 2000, retrying: 0, isComplete: false })
  const indices = receiver.requests.slice(before).map(({ headers }) => indexOf(headers["webhook-id"] ?? ""))
  expect(Math.max(...indices)).toBeLessThan(reached)
})

/** Which of the copies a message is, in the order in which they are recovered. */
function indexOf(id: string): number {
  return Number.parseInt(id.slice(-9), 16)
}
