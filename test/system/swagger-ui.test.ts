import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Browser, Locator, Page } from "playwright-core"
import { afterAll, beforeAll, expect, it } from "vitest"

import { findFreePort, startServer } from "../../scripts/dev-server.mjs"
import { launchBrowser } from "./browser.ts"

let directory: string
let server: Awaited<ReturnType<typeof startServer>>
let browser: Browser

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "posthorn-docs-"))
  const args = ["--port", String(await findFreePort()), "--persist-to", directory]
  server = await startServer({ args })
  browser = await launchBrowser()
})
afterAll(async () => {
  await browser?.close()
  await server?.stop()
  await rm(directory, { recursive: true, force: true })
})

/** Opens /docs with everything outside the Worker blocked; tells what was tried, and what went wrong. */
async function openDocs() {
  const page = await browser.newPage()
  const elsewhere: string[] = []
  const faults: string[] = []
  page.on("pageerror", (error) => faults.push(error.message))
  await page.route(
    ({ origin }) => origin !== server.url,
    (route) => {
      elsewhere.push(route.request().url())
      return route.abort()
    },
  )
  await page.goto(`${server.url}/docs`)
  return { page, elsewhere, faults }
}

/** Opens the operation, fills in what it is given, executes it, and answers what the page shows of the answer. */
async function execute(
  page: Page,
  method: string,
  path: string,
  fill: (operation: Locator) => Promise<void> = async () => {},
) {
  const operation = page
    .locator(".opblock", { has: page.locator(`[data-path="${path}"]`) })
    .filter({ hasText: method })
  await operation.locator(".opblock-summary-control").click()
  await operation.getByRole("button", { name: "Try it out" }).click()
  await fill(operation)
  await operation.getByRole("button", { name: "Execute" }).click()
  const response = operation.locator(".live-responses-table .response")
  await response.waitFor()
  return {
    status: await response.locator(".response-col_status").textContent(),
    body: await response.locator(".response-col_description").textContent(),
  }
}

it("/docs executes an operation in a browser that reaches nothing but the Worker", async () => {
  const { page, elsewhere, faults } = await openDocs()
  const answer = await execute(page, "POST", "/users", (operation) =>
    operation.locator("textarea").fill('{"username": "Zoë"}'),
  )
  expect(answer.status).toContain("200")
  expect(answer.body).toContain('"username": "zoë"')
  const users = await fetch(`${server.url}/users`)
  expect(await users.json()).toMatchObject([{ username: "zoë" }])
  expect(elsewhere).toEqual([])
  expect(faults).toEqual([])
})

it("/docs executes the examples of every family as they stand", async () => {
  const { page } = await openDocs()
  expect((await execute(page, "POST", "/webhook")).body).toContain("Webhook registered successfully")
  expect((await execute(page, "POST", "/register")).body).toContain('Webhook for "myEvent" registered')
  expect((await execute(page, "POST", "/invoices")).status).toContain("201")
  expect((await execute(page, "POST", "/webhook/register")).body).toContain("Register Webhook Successfully!")
})

it("/docs uploads a file", async () => {
  const registered = await fetch(`${server.url}/webhook/register`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      event_type_id: "21f8e1f7-4142-42f9-ac30-74961702b2eb",
      user_id: 1,
      url: "http://example.com/uploaded",
    }),
  })
  const { data } = (await registered.json()) as { data: { id: string } }
  const { page } = await openDocs()
  const answer = await execute(page, "POST", "/upload_file/webhook_id/{webhook_id}", async (operation) => {
    await operation.locator('tr[data-param-name="webhook_id"] input').fill(data.id)
    await operation
      .locator('input[type="file"]')
      .setInputFiles({ name: "a.txt", mimeType: "text/plain", buffer: Buffer.from("hello") })
  })
  expect(answer.status).toContain("200")
  expect(answer.body).toContain('"message": "ok"')
})
