import { Webhook } from "standardwebhooks"
import { afterAll, beforeAll, describe, expect, it } from "vitest"

import { startReceiver } from "../../scripts/receiver.mjs"
import { type Dashboard, expectSound, expectWholeOnPhone, startDashboard, type Watched } from "./dashboard.ts"

type Arrived = { headers: Record<string, string>; body: string }

let dashboard: Dashboard
let receiver: Awaited<ReturnType<typeof startReceiver>>
let hook: string
/** What the receiver answers, by path; 200 if not said. */
const answers: Record<string, number> = {}

beforeAll(async () => {
  dashboard = await startDashboard({ RETRY_SCHEDULE: "1" })
  receiver = await startReceiver(0, { status: (path) => answers[path] ?? 200 })
  hook = `${receiver.url}/hook`
  await dashboard.call("POST", "/api/v1/app", { name: "Acme", uid: "acme" })
  await dashboard.call("POST", "/api/v1/event-type", {
    name: "invoice.paid",
    description: "An invoice is paid",
    schemas: { 1: { type: "object", properties: { id: { type: "string", examples: ["inv_1"] } } } },
  })
  await dashboard.call("POST", "/api/v1/event-type", { name: "user.signup", description: "" })
})
afterAll(async () => {
  await receiver?.close()
  await dashboard?.stop()
})

/** An endpoint of its own for a test. */
async function makeEndpoint(uid: string): Promise<string> {
  const body = { url: `${hook}/${uid}`, uid }
  return (await dashboard.call<{ id: string }>("POST", "/api/v1/app/acme/endpoint", body)).id
}

function openEndpoint(id: string, query = ""): Promise<Watched> {
  return dashboard.open(`/dashboard/app/acme/endpoints/${id}${query}`)
}

const send = (eventType = "invoice.paid") =>
  dashboard.call<{ id: string }>("POST", "/api/v1/app/acme/msg", { eventType, payload: { id: "inv_7" } })

describe("an endpoint", () => {
  it("is made, changed, given headers, and deleted", async () => {
    const watched = await dashboard.open("/dashboard/app/acme/endpoints")
    const { page } = watched
    await page.getByRole("link", { name: "New endpoint" }).click()
    await page.getByLabel("URL").fill("ftp://example.com/")
    await page.getByRole("button", { name: "Create endpoint" }).click()
    await page.getByRole("alert").first().waitFor()
    await expectSoundBut422(watched)
    await page.getByLabel("URL").fill(`${hook}/made`)
    await page.getByLabel("Every event type").uncheck()
    await page.getByLabel("invoice.paid").check()
    await page.getByLabel("Rate").fill("50")
    await page.getByRole("button", { name: "Create endpoint" }).click()
    await page.getByText("Signing secret").waitFor()

    await page.getByRole("link", { name: "Settings" }).click()
    expect(await page.getByLabel("invoice.paid").isChecked()).toBe(true)
    expect(await page.getByLabel("Rate").inputValue()).toBe("50")
    await page.getByLabel("Description").fill("Ours")
    await page.getByLabel("Channels").fill("one, two")
    await page.getByLabel("Rate").fill("")
    await page.getByRole("button", { name: "Save" }).click()
    await page.getByText("The settings are saved.").waitFor()
    await page.getByLabel("Name").fill("Authorization")
    await page.getByLabel("Value").fill("Bearer hush-hush")
    await page.getByRole("button", { name: "Set header" }).click()
    await page.getByText("••••••••").waitFor()
    expect(await page.content()).not.toContain("hush-hush")
    await expectSoundBut422(watched)
    const { data } = await dashboard.call<{ data: object[] }>("GET", "/api/v1/app/acme/endpoint")
    expect(data).toMatchObject([
      { description: "Ours", channels: ["one", "two"], eventTypes: ["invoice.paid"], throttleRate: null },
    ])
    await page.getByRole("button", { name: "Remove" }).click()
    await page.getByText("••••••••").waitFor({ state: "detached" })

    await page.getByRole("button", { name: "Delete endpoint" }).click()
    await page.getByRole("dialog").getByRole("button", { name: "Delete endpoint" }).click()
    await page.getByText("No endpoint yet").waitFor()
  })

  it("is tried with an example that was changed first, and its answer stands below", async () => {
    const id = await makeEndpoint("tried")
    const watched = await openEndpoint(id, "?tab=test&type=invoice.paid")
    const { page } = watched
    const payload = page.getByLabel("Payload")
    await payload.waitFor()
    expect(JSON.parse(await payload.inputValue())).toEqual({ id: "inv_1" })
    await payload.fill("{ not json")
    await page.getByText("It is to be a JSON object.").waitFor()
    expect(await page.getByRole("button", { name: "Send" }).isDisabled()).toBe(true)
    await payload.fill('{ "id": "inv_mine" }')
    await page.getByRole("button", { name: "Send" }).click()
    await page.getByLabel("Answer").getByText("200").waitFor()
    await page.getByText('"received"').waitFor()
    await expectSound(watched)
    const [arrived] = await receiver.arrivals(1, (one) => one.path === "/hook/tried")
    expect(JSON.parse(arrived?.body ?? "")).toEqual({ id: "inv_mine" })
  })

  it("has its secret rotated, and both secrets verify in the grace", async () => {
    const id = await makeEndpoint("rotated")
    const watched = await openEndpoint(id, "?tab=secret")
    const { page } = watched
    await page.getByRole("button", { name: "Reveal" }).click()
    const shown = page.getByText(/^whsec_/)
    const before = (await shown.textContent()) ?? ""
    await page.getByRole("button", { name: "Rotate" }).click()
    await page.getByRole("dialog").getByRole("button", { name: "Rotate" }).click()
    await page.getByText("The old one signs along, and ends after 24 hours.").waitFor()
    const after = (await shown.textContent()) ?? ""
    expect(after).not.toBe(before)
    for (const language of ["JavaScript", "Python", "Go", "Java", "C#", "Ruby", "PHP", "Rust"]) {
      await page.getByRole("button", { name: language, exact: true }).click()
      await page.getByText(/WEBHOOK_SECRET/).waitFor()
    }
    await expectSound(watched)
    await send()
    const [arrived] = (await receiver.arrivals(1, (one) => one.path === "/hook/rotated")) as Arrived[]
    if (!arrived) throw new Error("nothing arrived")
    for (const secret of [before, after]) {
      expect(new Webhook(secret).verify(arrived.body, arrived.headers)).toEqual({ id: "inv_7" })
    }
  })
})

describe("an endpoint that fails", () => {
  it("is found failing, disabled, enabled; and what it missed is sent again", async () => {
    await makeEndpoint("failing")
    answers["/hook/failing"] = 500
    for (let n = 0; n < 3; n++) await send()
    const watched = await dashboard.open("/dashboard/app/acme/endpoints")
    const { page } = watched
    const row = page.getByRole("row").filter({ hasText: "/hook/failing" })
    await row.getByText(/Failing|Paused/).waitFor()
    await expectSound(watched)
    await row.getByRole("link").click()
    await page.getByText(/It has only failed since/).waitFor()
    await page.getByRole("button", { name: /^Failed 3/ }).waitFor({ timeout: 30_000 })
    await expectSound(watched)
    await page.getByRole("link", { name: "Activity" }).click()
    await page.getByText("5xx").waitFor()
    await page.getByRole("button", { name: "7 days" }).click()
    await page.getByText("5xx").waitFor()
    await expectSound(watched)

    await page.getByRole("button", { name: "Disable" }).click()
    await page.getByRole("dialog").getByRole("button", { name: "Disable" }).click()
    await page.getByText(/It was disabled by hand/).waitFor()
    await page.getByRole("link", { name: "Recover" }).click()
    await page.getByText("Enable the endpoint first").waitFor()
    await expectSound(watched)

    answers["/hook/failing"] = 200
    await page.getByRole("button", { name: "Enable" }).click()
    await page.getByRole("button", { name: "Send 3 again" }).click()
    await page.getByText("Done: 3 messages are due again, and on the way.").waitFor()
    await expectSound(watched)
    await page.getByRole("link", { name: "See the deliveries" }).click()
    await page.getByRole("button", { name: /^Delivered 3/ }).waitFor({ timeout: 30_000 })
    await expectSound(watched)
  })
})

describe("a delivery", () => {
  it("shows its signature anew, says what a 401 is about, and leads to replaying what failed since", async () => {
    const id = await makeEndpoint("waiting")
    answers["/hook/waiting"] = 401
    const secret = await dashboard.call<{ key: string }>("GET", `/api/v1/app/acme/endpoint/${id}/secret`)
    const message = await send()
    await receiver.arrivals(1, (one) => one.path === "/hook/waiting")
    const watched = await dashboard.open(`/dashboard/app/acme/messages/${message.id}/${id}`)
    const { page } = watched
    await page.getByText("The receiver wants credentials: set them as headers of the endpoint.").waitFor()
    await expectSound(watched)
    await page.getByRole("link", { name: "Request" }).click()
    await page.getByRole("button", { name: "Recompute the signature" }).click()
    const signature = (await page.getByText(/^v1,/).textContent()) ?? ""
    const [arrived] = (await receiver.arrivals(1, (one) => one.path === "/hook/waiting")) as Arrived[]
    const headers = { ...arrived?.headers, "webhook-signature": signature }
    expect(new Webhook(secret.key).verify(arrived?.body ?? "", headers)).toEqual({ id: "inv_7" })
    await page.getByText(`-H 'webhook-signature: ${signature}'`).waitFor()
    await expectSound(watched)
    await page.getByRole("link", { name: "Replay all failed since" }).click()
    await page.getByLabel("Messages of").waitFor()
    expect(await page.getByLabel("Messages of").inputValue()).toMatch(/^20\d\d-/)
    await expectSound(watched)
  })

  it("of many says how many endpoints have got the message, and why others have not", async () => {
    const only = { url: `${hook}/signups`, uid: "signups", eventTypes: ["user.signup"] }
    await dashboard.call("POST", "/api/v1/app/acme/endpoint", only)
    const message = await send()
    const watched = await dashboard.open("/dashboard/app/acme/messages")
    const { page } = watched
    await page
      .getByText(/^\d\/\d delivered$/)
      .first()
      .waitFor()
    await expectSound(watched)
    await page.getByLabel("Find a message by its id or uid").fill(message.id)
    await page.keyboard.press("Enter")
    await page.getByRole("row").filter({ hasText: "/hook/signups" }).getByText("Not sent").waitFor()
    await page.getByText("The endpoint does not ask for this event type").waitFor()
    await expectSound(watched)
    await expectWholeOnPhone(page)
  })
})

/** A refusal is an error on the console to the browser, and a sentence at its field to the reader. */
async function expectSoundBut422(watched: Watched): Promise<void> {
  const unexpected = watched.faults.filter((fault) => !fault.includes("422"))
  await expectSound({ ...watched, faults: unexpected })
}
