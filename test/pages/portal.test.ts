import { once } from "node:events"
import { createServer, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import type { Frame, Page } from "playwright-core"
import { afterAll, beforeAll, describe, expect, it } from "vitest"

import { fillWithSamples, startSampleReceiver } from "../../scripts/dashboard/sample.mjs"
import { addressOf, settle, show } from "../../scripts/dashboard/screens.mjs"
import { type Dashboard, expectSound, startDashboard, type Watched } from "./dashboard.ts"
import { eachTab, readScreens } from "./screens.ts"

const SETTINGS = {
  AUTH_MODE: "token",
  API_TOKEN: "token-Zm9vYmFyYmF6-portal",
  ENCRYPTION_KEY: btoa("k".repeat(32)),
  ALLOW_PRIVATE_TARGETS: "true",
  RETRY_SCHEDULE: "3600,3600",
}
const DOT = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/%3E"

describe("the portal", () => {
  let dashboard: Dashboard
  let receiver: Awaited<ReturnType<typeof startSampleReceiver>>
  let params: Record<string, string>
  let site: Server
  /** The same server under two names: two origins, of which one may show the portal. */
  let customersSite: string
  let anybodysSite: string
  /** What the customer's site shows in its frame. */
  let framed = ""

  beforeAll(async () => {
    site = createServer((_request, response) => {
      response.writeHead(200, { "content-type": "text/html" })
      response.end(`<!doctype html><title>Acme</title><link rel="icon" href="data:,">
        <h1>Acme</h1><iframe src="${framed.replaceAll("&", "&amp;")}" width="1000" height="700"></iframe>`)
    }).listen(0, "127.0.0.1")
    await once(site, "listening")
    const { port } = site.address() as AddressInfo
    customersSite = `http://localhost:${port}`
    anybodysSite = `http://127.0.0.1:${port}`
    dashboard = await startDashboard({ ...SETTINGS, PORTAL_ORIGINS: customersSite })
    receiver = await startSampleReceiver()
    ;({ params } = await fillWithSamples({ call: dashboard.call, receiver, messages: 6 }))
  })
  afterAll(async () => {
    site?.close()
    await receiver?.close()
    await dashboard?.stop()
  })

  /** What `app-portal-access` answers for Acme. */
  function access(body: object): Promise<{ token: string; url: string }> {
    return dashboard.call("POST", "/api/v1/auth/app-portal-access/acme", body)
  }

  /** Opens the customer's site with the portal in its frame. */
  async function openFramed(url: string): Promise<Watched & { frame: Frame }> {
    framed = url
    const watched = await dashboard.open(customersSite)
    const frame = watched.page.frames()[1]
    if (frame === undefined) throw new Error("The site has no frame.")
    await settle(frame)
    return { ...watched, frame }
  }

  it("stands in a frame of an origin that PORTAL_ORIGINS names, as the link has it", async () => {
    const { url } = await access({ readOnly: true })
    const { frame, faults } = await openFramed(
      `${url}&embed=true&primaryColor=f2c200&fontFamily=georgia&darkMode=true`,
    )
    await frame.getByText("billing.acme.example").waitFor()
    expect(frame.url()).toBe(`${dashboard.url}/dashboard/app/${params.app}/endpoints`)
    expect(await frame.locator(".side").count()).toBe(0)
    // Without a navigation the lists are reached by tabs.
    await frame.getByRole("link", { name: "Messages" }).click()
    await frame.getByRole("link", { name: "invoice.paid" }).first().waitFor()
    expect(await propertyOf(frame, "background-color")).toBe("rgb(19, 20, 22)")
    expect(await propertyOf(frame, "font-family")).toMatch(/^"?georgia/i)
    // What was chosen stays with the tab when the frame is loaded anew.
    await show(frame, "/dashboard/app/acme/messages")
    expect(await propertyOf(frame, "--link-fill-dark")).toBe("#f2c200")
    expect(await frame.locator(".side").count()).toBe(0)
    expect(faults).toEqual([])
  })

  it("is shown by no other origin", async () => {
    framed = (await access({})).url
    const { page, faults } = await dashboard.open(anybodysSite)
    await expect.poll(() => faults.join("\n")).toContain("frame-ancestors")
    expect(page.frames()[1]?.url()).not.toContain("/dashboard")
  })

  it("changes nothing under a token that only reads, whatever is pressed on whichever screen", async () => {
    const { token, url } = await access({ readOnly: true })
    const { page, frame, faults } = await openFramed(url)
    const changes: string[] = []
    page.on("request", (request) => {
      if (request.method() !== "GET") changes.push(`${request.method()} ${request.url()}`)
    })
    const screens = (await readScreens(dashboard)).filter((path) => path.startsWith("/app/"))
    for (const path of screens) {
      await show(frame, addressOf(path, params))
      for await (const _tab of eachTab(frame)) await pressAll(frame)
    }
    expect(changes).toEqual([])
    expect(faults).toEqual([])

    const secret = await fetch(`${dashboard.url}/api/v1/app/acme/endpoint/${params.endpoint}/secret`, {
      headers: { authorization: `Bearer ${token}` },
    })
    expect(secret.status).toBe(403)
  }, 300_000)

  it("has each control for whoever may use it", async () => {
    const endpoint = addressOf("/app/:app/endpoints/:endpoint", params)
    const delivery = addressOf("/app/:app/messages/:message/:endpoint", params)
    const shown = async (capabilities: string[]) => {
      const { url } = await access({ capabilities: ["ViewBase", ...capabilities] })
      const { page } = await dashboard.open(url.replace("/dashboard", delivery))
      await settle(page)
      const names = await buttonsOf(page)
      for (const tab of ["", "?tab=secret"]) {
        await show(page, endpoint + tab)
        names.push(...(await buttonsOf(page)))
      }
      return names
    }
    expect(await shown([])).not.toEqual(expect.arrayContaining(["Resend"]))
    expect(await shown(["CreateAttempts"])).toContain("Resend")
    expect(await shown(["ViewEndpointSecret"])).toEqual(expect.arrayContaining(["Reveal"]))
    expect(await shown(["ViewEndpointSecret"])).not.toEqual(expect.arrayContaining(["Rotate"]))
    expect(await shown(["ManageEndpoint"])).toEqual(expect.arrayContaining(["Disable", "Reveal", "Rotate"]))
  })

  it.each(["ffffff", "f2c200", "00c2ff", "7a7a7a", "101010"])(
    "can be read in the colour %s",
    async (colour) => {
      const { url } = await access({})
      const delivery = addressOf("/app/:app/messages/:message/:endpoint", params)
      const watched = await dashboard.open(`${url.replace("/dashboard", delivery)}&primaryColor=${colour}`)
      await settle(watched.page)
      await expectSound(watched)
      expect(await propertyOf(watched.page.mainFrame(), "--link-fill-light")).toBe(`#${colour}`)
    },
  )

  it.each([
    ["primaryColor", "red;background:url(https://example.com/x)"],
    ["primaryColor", "var(--text)"],
    ["primaryColorLight", "#12345"],
    ["icon", "https://example.com/x.png"],
    ["icon", "//example.com/x.png"],
    ["icon", "javascript:alert(1)"],
    ["icon", "data:text/html,<script>alert(1)</script>"],
    ["fontFamily", 'x"; } body { display: none'],
    ["fontFamily", "Wingdings"],
    ["darkMode", "<script>"],
  ])("is as without it where %s is %s", async (name, value) => {
    const { url } = await access({})
    const { page, faults } = await dashboard.open(`${url}&${new URLSearchParams({ [name]: value })}`)
    await settle(page)
    expect(await page.evaluate("document.documentElement.getAttribute('style') ?? ''")).toBe("")
    expect(await page.locator(".brand .horn").count()).toBe(1)
    expect(faults).toEqual([])
  })

  it("has the link's picture in place of the horn, and another link's theme ends it", async () => {
    const { url } = await access({})
    const { page, faults } = await dashboard.open(
      `${url}&${new URLSearchParams({ icon: DOT, primaryColor: "a37" })}`,
    )
    await settle(page)
    expect(await page.locator(".brand img").getAttribute("src")).toBe(DOT)
    await page.goto("about:blank")
    await page.goto(url)
    await settle(page)
    expect(await page.locator(".brand .horn").count()).toBe(1)
    expect(await propertyOf(page.mainFrame(), "--link-fill-light")).toBe("")
    expect(faults).toEqual([])
  })
})

/** Presses all there is to press, and answers yes to whatever is asked. */
async function pressAll(frame: Frame): Promise<void> {
  const buttons = frame.locator("main button:visible:not(.copy):not(:disabled)")
  for (let at = 0; at < (await buttons.count()); at++) {
    await buttons.nth(at).click()
    const answers = frame.locator("dialog[open] button")
    if (await answers.count()) await answers.last().click()
  }
  await settle(frame)
}

function buttonsOf(page: Page): Promise<string[]> {
  return page.locator("main button:visible").allInnerTexts()
}

/** A property of the whole page, one of our own or of CSS's, as it is computed. */
function propertyOf(frame: Frame, name: string): Promise<string> {
  return frame.evaluate(`probe.property("${name}")`)
}
