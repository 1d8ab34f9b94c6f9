import { afterAll, beforeAll, describe, expect, it } from "vitest"

import { type Dashboard, expectSound, startDashboard } from "./dashboard.ts"

const API_TOKEN = "token-Zm9vYmFyYmF6-first"
const SCHEMA = { type: "object", properties: { amount: { type: "number" } }, required: ["amount"] }

let dashboard: Dashboard

beforeAll(async () => {
  dashboard = await startDashboard({
    AUTH_MODE: "token",
    API_TOKEN,
    ENCRYPTION_KEY: btoa("k".repeat(32)),
  })
})
afterAll(() => dashboard?.stop())

describe("applications", () => {
  it("are made, and found by a part of their names", async () => {
    await dashboard.call("POST", "/api/v1/app", { name: "Globex", uid: "globex" })
    const watched = await dashboard.open(`/dashboard/applications#token=${API_TOKEN}`)
    const { page } = watched
    await page.getByRole("button", { name: "New application" }).click()
    await page.getByLabel("Name", { exact: true }).fill("Acme Inc")
    await page.getByLabel("Uid", { exact: true }).fill("acme")
    await expectSound(watched)
    await page.getByRole("button", { name: "Create" }).click()
    await page.getByRole("heading", { name: "Acme Inc" }).waitFor()
    await page.goto(`${dashboard.url}/dashboard/applications`)
    await page.getByRole("link", { name: "Globex" }).waitFor()
    await page.keyboard.press("/")
    await page.keyboard.type("ACM")
    await page.getByRole("link", { name: "Globex" }).waitFor({ state: "detached" })
    await page.getByRole("link", { name: "Acme Inc" }).waitFor()
    expect(new URL(page.url()).searchParams.get("search")).toBe("ACM")
    await expectSound(watched)
    await page.getByRole("searchbox").fill("nobody")
    await page.getByText("No application has this in its name").waitFor()
  })

  it("have portal links that show what they allow, look as the customer sees them, and end", async () => {
    await dashboard.call("POST", "/api/v1/app", { name: "Initech", uid: "initech" })
    const watched = await dashboard.open(`/dashboard/app/initech/portal#token=${API_TOKEN}`)
    const { page } = watched
    await page.getByRole("button", { name: "Chosen" }).click()
    await page.getByLabel("Resend, recover, send examples").check()
    await page.getByLabel("Lasts").selectOption("1")
    await page.getByRole("button", { name: "Make a link" }).click()
    await page.getByText(/It ends in 59 m/).waitFor()
    await expectSound(watched)
    const href = await page.getByRole("link", { name: "View as customer" }).getAttribute("href")
    const customer = await dashboard.open((href ?? "").replace(dashboard.url, ""))
    await customer.page.getByText("No endpoint yet").waitFor()
    expect(await customer.page.getByRole("link", { name: "Portal" }).count()).toBe(0)
    const session = await customer.page.evaluate(
      `fetch("/api/v1/auth/session", { headers: { authorization: "Bearer " + sessionStorage["posthorn-token"] } }).then((r) => r.json())`,
    )
    expect(session).toMatchObject({
      kind: "application",
      application: { uid: "initech" },
      capabilities: ["ViewBase", "CreateAttempts"],
    })
    await page.getByRole("button", { name: "End links" }).click()
    await page.getByRole("dialog").getByRole("button", { name: "End links" }).click()
    await page.getByText("All links that were made until now have ended.").waitFor()
    await customer.page.reload()
    await customer.page.getByText(/This token is not taken/).waitFor()
    expect(watched.faults).toEqual([])
  })
})

it("an event type is made with a schema, subscribed to, tried, changed, archived and deleted", async () => {
  await dashboard.call("POST", "/api/v1/app", { name: "Hooli", uid: "hooli" })
  const inbox = await dashboard.call<{ url: string }>("POST", "/api/v1/inbox", {})
  await dashboard.call("POST", "/api/v1/event-type", { name: "user.signup", description: "Signed up" })
  await dashboard.call("POST", "/api/v1/app/hooli/endpoint", {
    url: inbox.url,
    eventTypes: ["user.signup"],
  })
  const watched = await dashboard.open(`/dashboard/catalog#token=${API_TOKEN}`)
  const { page } = watched
  await page.getByRole("link", { name: "user.signup" }).waitFor()
  await page.getByRole("button", { name: "New event type" }).click()
  await page.getByLabel("Name", { exact: true }).fill("invoice.paid")
  await page.getByLabel("Description", { exact: true }).fill("An invoice was paid")
  await page.getByLabel("JSON schema of the payload").fill("{")
  await page.getByRole("button", { name: "Create" }).click()
  await page.getByText(/is not JSON/).waitFor()
  await expectSound(watched)
  await page.getByLabel("JSON schema of the payload").fill(JSON.stringify(SCHEMA))
  await page.getByRole("button", { name: "Create" }).click()
  await page.getByRole("heading", { name: "invoice.paid" }).waitFor()

  await page.getByLabel("Application").selectOption("hooli")
  await page.getByRole("button", { name: "Subscribe" }).click()
  await page.getByText("It is subscribed to this type.").waitFor()
  await page.getByText("The example", { exact: true }).click()
  await expectSound(watched)
  await page.getByRole("button", { name: "Send an example" }).click()
  await page.getByRole("link", { name: "What became of the example" }).click()
  await page.getByRole("heading", { name: /Delivered/ }).waitFor()

  await page.goto(`${dashboard.url}/dashboard/catalog/invoice.paid`)
  await page.getByLabel("JSON schema of the payload").fill('{"type": "object"}')
  await page.getByLabel(/Refuse messages/).check()
  await page.getByRole("button", { name: "Change" }).click()
  await page.getByText("Version 2, the newest").waitFor()
  await page.getByText("Messages that do not fit the newest are refused.").waitFor()
  await page.getByRole("button", { name: "Archive" }).click()
  await page.getByRole("dialog").getByRole("button", { name: "Archive" }).click()
  await page.getByText("Archived", { exact: true }).waitFor()
  await expectSound(watched)
  await page.goto(`${dashboard.url}/dashboard/catalog`)
  await page.getByRole("link", { name: "user.signup" }).waitFor()
  expect(await page.getByRole("link", { name: "invoice.paid" }).count()).toBe(0)
  await page.getByRole("button", { name: "With archived" }).click()
  await page.getByRole("link", { name: "invoice.paid" }).click()
  await page.getByRole("button", { name: "Take out of the archive" }).click()
  await page.getByText("In use").waitFor()
})

it("an event type is deleted for good once it is archived and nobody subscribes to it", async () => {
  const name = "user.faxed"
  await dashboard.call("POST", "/api/v1/app", { name: "Aperture", uid: "aperture" })
  await dashboard.call("POST", "/api/v1/event-type", { name, description: "Sent a fax" })
  const hook = { uid: "hook", url: "https://receiver.example/hook", eventTypes: [name] }
  await dashboard.call("POST", "/api/v1/app/aperture/endpoint", hook)
  const watched = await dashboard.open(`/dashboard/catalog/${name}#token=${API_TOKEN}`)
  const { page } = watched
  const answer = (verb: string) => page.getByRole("dialog").getByRole("button", { name: verb }).click()
  const press = (verb: string) =>
    page.getByRole("main").getByRole("button", { name: verb, exact: true }).click()

  await press("Archive")
  await answer("Archive")
  await press("Delete")
  await answer("Cancel")
  await press("Delete")
  await answer("Delete")
  await page
    .getByText(/subscribe/)
    .last()
    .waitFor()
  await page.getByRole("heading", { name }).waitFor()
  // The refusal is an error on the console, by the browser's own words.
  watched.faults.splice(0, watched.faults.length, ...watched.faults.filter((fault) => !/ 409 /.test(fault)))

  await dashboard.call("DELETE", "/api/v1/app/aperture/endpoint/hook")
  await press("Delete")
  await answer("Delete")
  await page.getByText("The event type is deleted.").waitFor()
  await page.getByRole("heading", { name: "Catalog" }).waitFor()
  await page.getByRole("button", { name: "With archived" }).click()
  await page.waitForURL(/which=all/)
  await page.getByRole("link", { name: "user.signup" }).waitFor()
  expect(await page.getByRole("link", { name }).count()).toBe(0)
  await expectSound(watched)
})

it("event types are found by their group and by a part of their words, by keyboard", async () => {
  for (const name of ["parcel.sent", "parcel.lost", "refund.made"])
    await dashboard.call("POST", "/api/v1/event-type", { name, description: `It tells of ${name}` })
  const watched = await dashboard.open(`/dashboard/catalog#token=${API_TOKEN}`)
  const { page } = watched
  const shown = () => page.locator(".row-link").allInnerTexts()
  await page.getByRole("link", { name: "refund.made" }).waitFor()
  await page.getByRole("button", { name: "parcel 2" }).press("Enter")
  await expect.poll(shown).toEqual(["parcel.lost", "parcel.sent"])
  await page.keyboard.press("/")
  await page.keyboard.type("OF PARCEL.S")
  await expect.poll(shown).toEqual(["parcel.sent"])
  const { searchParams } = new URL(page.url())
  expect(Object.fromEntries(searchParams)).toEqual({ group: "parcel", search: "OF PARCEL.S" })
  await expectSound(watched)
  await page.reload()
  await expect.poll(shown).toEqual(["parcel.sent"])
  await page.getByRole("searchbox").fill("nobody")
  await page.getByText("No event type is like that").waitFor()
  await expectSound(watched)
})
