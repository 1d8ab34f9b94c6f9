import { afterAll, beforeAll, expect, it } from "vitest"

import { type Dashboard, expectSound, startDashboard } from "./dashboard.ts"

const HOSTILE = `<img src=x onerror=alert(1)>\u202e${"w".repeat(120)}`

let dashboard: Dashboard

beforeAll(async () => {
  dashboard = await startDashboard({ RETRY_SCHEDULE: "3600,3600" })
})
afterAll(() => dashboard?.stop())

it("users are made and write to each other, and what is refused is said", async () => {
  const watched = await dashboard.open("/dashboard/users")
  const { page } = watched
  for (const name of ["Alice", "Bob"]) {
    await page.getByLabel("Name").fill(name)
    await page.getByRole("button", { name: "Create" }).click()
    await page.getByRole("link", { name: name.toLowerCase() }).waitFor()
  }
  await page.getByLabel("Name").fill("x".repeat(65))
  await page.getByRole("button", { name: "Create" }).click()
  await page.getByRole("alert").filter({ hasText: "64" }).waitFor()
  await page.getByRole("link", { name: "alice" }).click()
  await page.getByText("alice has no message yet.").waitFor()
  await page.getByLabel("Sender").fill("Bob")
  await page.getByLabel("Subject").fill(HOSTILE)
  await page.getByLabel("Message", { exact: true }).fill("Hello")
  await page.getByRole("button", { name: "Send" }).click()
  await page.getByRole("table", { name: "Messages to alice" }).getByText("bob").waitFor()
  // The refusals that were asked for are errors on the console, by the browser's own words.
  watched.faults.splice(0, watched.faults.length, ...watched.faults.filter((fault) => !/ 422 /.test(fault)))
  await expectSound(watched)
  const { data } = await dashboard.call<{ data: { eventType: string }[] }>("GET", "/api/v1/app/users/msg")
  expect(data.map(({ eventType }) => eventType)).toEqual([
    "user_send_message",
    "user_registered",
    "user_registered",
  ])
})

it("an invoice is made, changed and paid", async () => {
  const watched = await dashboard.open("/dashboard/invoices")
  const { page } = watched
  await page.getByText("No invoice yet").waitFor()
  await expectSound(watched)
  const made = page.getByRole("form", { name: "New invoice" })
  await made.getByLabel("Amount").fill("much")
  await made.getByRole("button", { name: "Create" }).click()
  await page.getByText("must be a number").waitFor()
  await made.getByLabel("Amount").fill("200.5")
  await made.getByLabel("Due").fill("2027-04-15")
  await made.getByRole("button", { name: "Create" }).click()
  await page.getByRole("link", { name: "200.50 USD" }).click()
  const changed = page.getByRole("form", { name: "Change it" })
  await changed.getByLabel("Amount").fill("300")
  await changed.getByRole("button", { name: "Change" }).click()
  await page.getByRole("link", { name: "300.00 USD" }).waitFor()
  await expectSound(watched)
  await page.getByRole("button", { name: "Record payment" }).click()
  await page.getByText("Paid").first().waitFor()
  await changed.waitFor({ state: "detached" })
  await expectSound(watched)
  const { data } = await dashboard.call<{ data: { eventType: string }[] }>("GET", "/api/v1/app/invoices/msg")
  expect(data.map(({ eventType }) => eventType)).toEqual([
    "invoice_paid",
    "invoice_updated",
    "invoice_created",
  ])
})

it("a file is uploaded to a webhook, processed, told of, and downloaded", async () => {
  const inbox = await dashboard.call<{ id: string; url: string }>("POST", "/api/v1/inbox", {})
  const watched = await dashboard.open("/dashboard/uploads")
  const { page } = watched
  await page.getByText("No upload yet").waitFor()
  await expectSound(watched)
  await page.getByLabel("URL").fill(inbox.url)
  await page.getByLabel("Payload of its own").fill("[1]")
  await page.getByRole("button", { name: "Register" }).click()
  await page.getByText(/must be a JSON object/).waitFor()
  await page.getByLabel("Payload of its own").fill('{"key1": "value1"}')
  await page.getByRole("button", { name: "Register" }).click()
  await page.getByText(/whsec_/).waitFor()
  await page.getByLabel("File").setInputFiles({
    name: `${"w".repeat(80)}.txt`,
    mimeType: "text/plain",
    buffer: Buffer.from("hello"),
  })
  await page.getByRole("button", { name: "Upload" }).click()
  await page.getByText("Completed").waitFor()
  await page.getByRole("link", { name: /www/ }).click()
  await page.getByText("2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824").waitFor()
  await expectSound(watched)
  const [file] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "Download" }).click(),
  ])
  expect(await (await file.createReadStream()).toArray()).toEqual([Buffer.from("hello")])
  await page.getByRole("link", { name: "What became of it" }).click()
  await page.getByRole("heading", { name: /Delivered/ }).waitFor()
  const { data } = await dashboard.call<{ data: { body: string }[] }>(
    "GET",
    `/api/v1/inbox/${inbox.id}/request`,
  )
  expect(JSON.parse(data[0]?.body ?? "")).toMatchObject({ event: "upload file", key1: "value1" })
  expect(watched.faults).toEqual([])
})
