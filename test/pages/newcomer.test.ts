import { afterAll, beforeAll, expect, it } from "vitest"

import { type Dashboard, expectSound, startDashboard } from "./dashboard.ts"

let dashboard: Dashboard

beforeAll(async () => {
  dashboard = await startDashboard({ RETRY_SCHEDULE: "3600,3600" })
})
afterAll(() => dashboard?.stop())

it("a newcomer sees a delivery arrive and verify, fail and say why, and succeed when it is sent again", async () => {
  const watched = await dashboard.open("/")
  const { page } = watched
  const menu = page.getByRole("navigation", { name: "Main" })
  const heading = page.getByRole("heading", { level: 1 })

  await menu.getByRole("link", { name: "Inbox" }).click()
  await page.getByText("No inbox yet").waitFor()
  await expectSound(watched)
  await page.getByRole("button", { name: "Make an inbox" }).click()
  await page.getByText("Nothing has arrived yet").waitFor()
  await expectSound(watched)
  const inbox = page.url()

  await page.getByLabel("Application").selectOption("users")
  await page.getByRole("button", { name: "Register" }).click()
  await page.getByRole("link", { name: "endpoint of users" }).click()
  await page.getByRole("link", { name: "Its inbox" }).click()
  await page.getByRole("link", { name: "endpoint of users" }).waitFor()
  await menu.getByRole("link", { name: "Inbox" }).click()
  await page.locator(".row-link").click()
  await page.getByRole("link", { name: "endpoint of users" }).waitFor()

  await menu.getByRole("link", { name: "Users" }).click()
  await page.getByText("No user yet").waitFor()
  await expectSound(watched)
  await page.getByLabel("Name").fill("Alice")
  await page.getByRole("button", { name: "Create" }).click()
  await page.getByRole("link", { name: "alice" }).waitFor()

  await page.goto(inbox)
  await page.getByText("The signature verifies.").waitFor()
  await page.getByText(/"username":\s*"alice"/).waitFor()
  await expectSound(watched)

  await page.getByRole("button", { name: "500" }).click()
  await page.getByText("Answers 500").waitFor()
  await menu.getByRole("link", { name: "Users" }).click()
  await page.getByLabel("Name").fill("Bob")
  await page.getByRole("button", { name: "Create" }).click()
  await page.getByRole("link", { name: "bob" }).waitFor()
  await page.getByRole("link", { name: "What was sent" }).click()
  await page.getByRole("link", { name: "user_registered" }).first().click()
  await page.getByText("Pending").first().waitFor()
  await page.locator(".row-link").first().click()
  await heading.filter({ hasText: /Failed once; next attempt in/ }).waitFor()
  const delivery = page.url()
  await page.getByRole("link", { name: "Response" }).click()
  await page.getByText("The receiver failed: its own log says why.").waitFor()

  await page.goto(inbox)
  await page.getByRole("button", { name: "200" }).click()
  await page.getByText("Answers 200").waitFor()
  await page.goto(delivery)
  await page.getByRole("button", { name: "Resend" }).click()
  await heading.filter({ hasText: /Delivered .*after 1 failure/ }).waitFor()

  await page.goto(inbox)
  await page
    .getByRole("link")
    .filter({ has: page.locator("time") })
    .nth(2)
    .waitFor()
  await expectSound(watched)
})

it("an inbox answers as it is told to, and shows what it got as text", async () => {
  const { id, url } = await dashboard.call<{ id: string; url: string }>("POST", "/api/v1/inbox", {})
  const hostile = `<img src=x onerror=alert(1)>\u202e${"w".repeat(400)}`
  await fetch(`${url}?q=${encodeURIComponent(hostile)}`, {
    method: "PUT",
    body: hostile,
    headers: { "x-hostile": encodeURIComponent(hostile), authorization: "Bearer sesame" },
  })
  const watched = await dashboard.open(`/dashboard/inbox/${id}`)
  const { page } = watched
  await page.getByText("nobody has signed it").waitFor()
  await page.getByText("onerror").first().waitFor()
  expect(await page.content()).not.toContain("sesame")
  await expectSound(watched)
  const answers: number[] = []
  for (const [name, words] of [
    ["410", "Answers 410"],
    ["429, Retry-After", "Answers 429 with Retry-After: 30"],
    ["Slow", "Answers 200 after 5 s"],
    ["Hang", "Takes requests and never answers"],
    ["500", "Answers 500"],
  ] as const) {
    await page.getByRole("button", { name, exact: true }).click()
    await page.getByText(words, { exact: true }).waitFor()
    if (name !== "Hang" && name !== "Slow") answers.push((await fetch(url)).status)
  }
  expect(answers).toEqual([410, 429, 500])
  await page.keyboard.press("r")
  await page.locator("tbody tr").nth(3).waitFor()
  await page.getByRole("button", { name: "Clear" }).click()
  await page.getByRole("dialog").getByRole("button", { name: "Clear" }).click()
  await page.getByText("Nothing has arrived yet").waitFor()
  await page.getByRole("button", { name: "Delete" }).click()
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click()
  await page
    .getByText("No inbox yet")
    .or(page.getByRole("table", { name: "Inboxes" }))
    .waitFor()
  expect(await page.getByText(id.slice(-8)).count()).toBe(0)
})
