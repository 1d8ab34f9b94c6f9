import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Browser } from "playwright-core"
import { afterAll, beforeAll, expect, it } from "vitest"

import { findFreePort, startServer } from "../../scripts/dev-server.mjs"
import { launchBrowser } from "./browser.ts"

let directory: string
let server: Awaited<ReturnType<typeof startServer>>
let browser: Browser

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "posthorn-docs-"))
  const args = ["--port", String(await findFreePort()), "--persist-to", directory]
  server = await startServer({ args, quiet: true })
  browser = await launchBrowser()
})
afterAll(async () => {
  await browser?.close()
  await server?.stop()
  await rm(directory, { recursive: true, force: true })
})

it("/docs executes an operation in a browser that reaches nothing but the Worker", async () => {
  const page = await browser.newPage()
  const elsewhere: string[] = []
  await page.route(
    ({ origin }) => origin !== server.url,
    (route) => {
      elsewhere.push(route.request().url())
      return route.abort()
    },
  )
  const faults: string[] = []
  page.on("pageerror", (error) => faults.push(error.message))

  await page.goto(`${server.url}/docs`)
  const operation = page
    .locator(".opblock", { has: page.locator('[data-path="/users"]') })
    .filter({ hasText: "POST" })
  await operation.locator(".opblock-summary-control").click()
  await operation.getByRole("button", { name: "Try it out" }).click()
  await operation.locator("textarea").fill('{"username": "Zoë"}')
  await operation.getByRole("button", { name: "Execute" }).click()

  const response = operation.locator(".live-responses-table .response")
  await response.waitFor()
  expect(await response.locator(".response-col_status").innerText()).toContain("200")
  expect(await response.locator(".response-col_description").innerText()).toContain('"username": "zoë"')
  const users = await fetch(`${server.url}/users`)
  expect(await users.json()).toMatchObject([{ username: "zoë" }])
  expect(elsewhere).toEqual([])
  expect(faults).toEqual([])
})
