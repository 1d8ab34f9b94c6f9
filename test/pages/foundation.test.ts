import { once } from "node:events"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { afterAll, beforeAll, describe, expect, it } from "vitest"

import { type Dashboard, expectSound, startDashboard } from "./dashboard.ts"

/** Text that would be markup, would turn what stands around it, or would push it out of the page. */
const HOSTILE = `<img src=x onerror=alert(1)><script>alert(2)</script>\u202e${"w".repeat(120)}`

describe("in open mode", () => {
  let dashboard: Dashboard
  let receiver: Server
  let status = 500
  let message: { id: string }
  let endpoint: { id: string }

  beforeAll(async () => {
    dashboard = await startDashboard({ RETRY_SCHEDULE: "3600,3600" })
    receiver = createServer((_request, response) => {
      response.writeHead(status, { "content-type": "text/html" }).end(HOSTILE)
    }).listen(0, "127.0.0.1")
    await once(receiver, "listening")
    const { port } = receiver.address() as AddressInfo
    await dashboard.call("POST", "/api/v1/app", { name: HOSTILE, uid: "acme" })
    endpoint = await dashboard.call("POST", "/api/v1/app/acme/endpoint", {
      url: `http://127.0.0.1:${port}/hook/${"w".repeat(300)}`,
      description: HOSTILE,
      uid: "hook",
    })
    message = await dashboard.call("POST", "/api/v1/app/acme/msg", {
      eventType: "invoice.paid",
      payload: { [HOSTILE]: HOSTILE, long: "w".repeat(16 * 1024) },
    })
  })
  afterAll(async () => {
    receiver?.close()
    await dashboard?.stop()
  })

  it("/ leads from the applications to the delivery that failed, and a resend delivers it", async () => {
    const watched = await dashboard.open("/")
    const { page } = watched
    await expectText(page.locator(".side-foot"), /Open mode/)
    await expectSound(watched)
    await page.getByRole("link", { name: "Applications" }).click()
    await page.getByRole("link", { name: HOSTILE }).waitFor()
    await expectSound(watched)
    await page.getByRole("link", { name: HOSTILE }).click()
    await page.getByRole("heading", { name: HOSTILE }).waitFor()
    await expectSound(watched)
    await page.getByRole("link", { name: "Messages" }).click()
    await page.getByRole("link", { name: "invoice.paid" }).click()
    await page.getByText("Pending").first().waitFor()
    await expectSound(watched)
    await page.locator(".row-link").first().click()
    await expectText(page.locator("h1"), /Failed once; next attempt in/)
    await expectSound(watched)
    await page.getByRole("link", { name: "Response" }).click()
    await page.getByText("The receiver failed: its own log says why.").waitFor()
    await page.getByText("onerror").first().waitFor()
    await expectSound(watched)
    status = 200
    await page.getByRole("button", { name: "Resend" }).click()
    await expectText(page.locator("h1"), /Delivered .*after 1 failure/)
    await expectSound(watched)
  })

  it("an address leads to its screen, and the endpoint can be disabled and enabled", async () => {
    const watched = await dashboard.open(`/dashboard/app/acme/endpoints/${endpoint.id}?status=0`)
    const { page } = watched
    await page.getByRole("link", { name: "invoice.paid" }).waitFor()
    await expectSound(watched)
    await page.getByRole("button", { name: "Disable" }).click()
    await page.getByRole("dialog").getByRole("button", { name: "Disable" }).click()
    await page.getByText(/It was disabled by hand/).waitFor()
    await page.getByRole("button", { name: "Enable" }).click()
    await page.getByText(/It was disabled by hand/).waitFor({ state: "detached" })
  })

  it("j, k and Enter go through a list", async () => {
    const { page } = await dashboard.open("/dashboard/app/acme/messages")
    await page.getByRole("link", { name: "invoice.paid" }).waitFor()
    await page.keyboard.press("j")
    await page.keyboard.press("Enter")
    await page.waitForURL(`**/messages/${message.id}`)
  })

  it("a delivery that waits for a retry is canceled, and says so", async () => {
    status = 500
    const { id } = await dashboard.call<{ id: string }>("POST", "/api/v1/app/acme/msg", {
      eventType: "invoice.paid",
      payload: {},
    })
    const watched = await dashboard.open(`/dashboard/app/acme/messages/${id}/${endpoint.id}`)
    const { page } = watched
    await expectText(page.locator("h1"), /Failed once; next attempt in/)
    await page.getByRole("button", { name: "Cancel delivery" }).click()
    await page.getByRole("dialog").getByRole("button", { name: "Cancel delivery" }).click()
    await expectText(page.locator("h1"), /It was canceled by hand/)
    expect(await page.getByRole("button", { name: "Cancel delivery" }).count()).toBe(0)
    await expectSound(watched)
  })

  it("what is not there is said", async () => {
    const { page } = await dashboard.open("/dashboard/nowhere")
    await page.getByText("There is nothing here").waitFor()
    await page.goto(`${dashboard.url}/dashboard/app/nobody/endpoints`)
    await page.getByText("Application not found").waitFor()
  })
})

describe("in token mode", () => {
  const API_TOKEN = "token-Zm9vYmFyYmF6-first"
  let dashboard: Dashboard

  beforeAll(async () => {
    dashboard = await startDashboard({
      AUTH_MODE: "token",
      API_TOKEN,
      ENCRYPTION_KEY: btoa("k".repeat(32)),
      PORTAL_ORIGINS: "https://app.example.com",
    })
    await dashboard.call("POST", "/api/v1/app", { name: "Acme", uid: "acme" })
    await dashboard.call("POST", "/api/v1/app", { name: "Globex", uid: "globex" })
  })
  afterAll(() => dashboard?.stop())

  it("/ says what this is and where to sign in, and the token is kept until somebody signs out", async () => {
    const watched = await dashboard.open("/")
    const { page } = watched
    await expectSound(watched)
    await page.getByRole("link", { name: "Sign in" }).click()
    await page.getByLabel("Token").fill(API_TOKEN)
    await expectSound(watched)
    await page.getByRole("button", { name: "Sign in" }).click()
    await page.getByRole("link", { name: "Applications" }).click()
    await page.getByRole("link", { name: "Globex" }).waitFor()
    await page.reload()
    await page.getByRole("link", { name: "Globex" }).waitFor()
    expect(await page.context().cookies()).toEqual([])
    await page.getByRole("button", { name: "Sign out" }).click()
    await page.getByLabel("Token").waitFor()
    expect(watched.faults).toEqual([])
  })

  it("a token that is not taken is said to be so", async () => {
    const { page } = await dashboard.open("/dashboard#token=sesame")
    await page.getByText(/This token is not taken/).waitFor()
    expect(page.url()).not.toContain("sesame")
  })

  it.each(["token", "key"])(
    "a portal's link opens its application alone, and #%s= leaves the address",
    async (name) => {
      const { token, url } = await dashboard.call<{ token: string; url: string }>(
        "POST",
        "/api/v1/auth/app-portal-access/acme",
        {},
      )
      const key = btoa(JSON.stringify({ appId: "acme", token }))
      const fragment = name === "token" ? new URL(url).hash : `#key=${key}`
      const watched = await dashboard.open(`/dashboard${fragment}&primaryColor=aa3377&darkMode=true`)
      const { page } = watched
      await page.getByText("No endpoint yet").waitFor()
      expect(new URL(page.url()).hash).toBe("")
      expect(page.url()).not.toContain(token)
      expect(await page.getByRole("link", { name: "Applications" }).count()).toBe(0)
      expect(await page.evaluate("document.documentElement.dataset.scheme")).toBe("dark")
      expect(
        await page.evaluate(
          "getComputedStyle(document.documentElement).getPropertyValue('--link-fill-dark')",
        ),
      ).toBe("#aa3377")
      expect(watched.faults).toEqual([])
    },
  )
})

/** Waits until the element's text is as expected. */
async function expectText(locator: import("playwright-core").Locator, text: RegExp): Promise<void> {
  await locator.filter({ hasText: text }).first().waitFor()
}
