// npm run screenshots: starts the system, fills it as on an ordinary day, and makes a picture of every screen of the
// dashboard, light, dark and on a phone, in docs/screenshots.
import { mkdirSync, readdirSync, rmSync, statSync } from "node:fs"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

import { launchBrowser } from "../test/system/browser.ts"
import { pastOf } from "./dashboard/past.mjs"
import { fillWithSamples, startSampleReceiver } from "./dashboard/sample.mjs"
import { addressOf, CALM, pathsOf, settle } from "./dashboard/screens.mjs"
import { findFreePort, startServer } from "./dev-server.mjs"
import { runWrangler } from "./wrangler.mjs"

const FOLDER = fileURLToPath(new URL("../docs/screenshots/", import.meta.url))
const DESK = { width: 1280, height: 800 }
const PHONE = { width: 390, height: 844 }
/** @type {{ name: string, viewport: { width: number, height: number }, colorScheme: "light" | "dark" }[]} */
const LOOKS = [
  { name: "light", viewport: DESK, colorScheme: "light" },
  { name: "dark", viewport: DESK, colorScheme: "dark" },
  { name: "phone", viewport: PHONE, colorScheme: "light" },
]
const QUALITY = 82
const PUBLIC_URL = "https://posthorn.example.com"
const THEME = "&primaryColor=6d3fc4&fontFamily=Georgia"

const directory = await mkdtemp(join(tmpdir(), "posthorn-screenshots-"))
const receiver = await startSampleReceiver()
const args = ["--port", String(await findFreePort()), "--persist-to", directory]
args.push("--var", "RETRY_SCHEDULE:1800,7200,18000")
let server
let browser
try {
  server = await startServer({ args })
  const { endpoints, params } = await fillWithSamples({ call, receiver })
  const { url: portal } = await call("POST", "/api/v1/auth/app-portal-access/acme", {})
  // Nobody else may hold the database while it is given a past.
  await server.stop()
  await remember(pastOf(endpoints, Date.now()))
  server = await startServer({ args })

  browser = await launchBrowser()
  rmSync(FOLDER, { recursive: true, force: true })
  mkdirSync(FOLDER, { recursive: true })
  for (const look of LOOKS) await picture(look, params, portal)
  const sizes = readdirSync(FOLDER).map((name) => statSync(join(FOLDER, name)).size)
  const kib = sizes.reduce((sum, size) => sum + size, 0) / 1024
  console.log(`${sizes.length} pictures in docs/screenshots, ${kib.toFixed(0)} KiB`)
} finally {
  await browser?.close()
  await server?.stop()
  await receiver.close()
  await rm(directory, { recursive: true, force: true })
}

/** A picture of every screen, and of the portal. */
async function picture({ name, ...options }, params, portal) {
  const context = await browser.newContext({ ...options, locale: "en-GB", timezoneId: "UTC" })
  await context.addInitScript({ path: CALM })
  const page = await context.newPage()
  await nameHosts(page)
  async function take(file, address) {
    await page.goto(address)
    await settle(page)
    await page.screenshot({ path: join(FOLDER, `${file}-${name}.webp`), type: "webp", quality: QUALITY })
  }
  await page.goto(`${server.url}/dashboard`)
  for (const path of await pathsOf(page)) await take(fileOf(path), server.url + addressOf(path, params))
  await take("portal", portal + THEME)
  await context.close()
}

/** `/app/:app/messages/:message` is messages-message. */
function fileOf(path) {
  return path.replace("/app/:app", "").slice(1).replaceAll("/:", "-").replaceAll("/", "-")
}

/** Shows us and the receivers under the names that they would have: this machine's address says nothing to a reader. */
async function nameHosts(page) {
  await page.route("**/api/v1/**", async (route) => {
    const response = await route.fetch()
    const body = (await response.text())
      .replaceAll(`${receiver.url}/`, "https://")
      .replaceAll(new URL(receiver.url).host, "hooks.example.com")
      .replaceAll(server.url, PUBLIC_URL)
    await route.fulfill({ response, body })
  })
}

async function remember(sql) {
  const file = join(directory, "past.sql")
  await writeFile(file, sql)
  const { code, stdout, stderr } = await runWrangler([
    "d1",
    "execute",
    "DB",
    "--local",
    "--persist-to",
    directory,
    "--file",
    file,
    "--yes",
  ])
  if (code !== 0) throw new Error(stdout + stderr)
}

/** Calls the API as any client would, with JSON or a form, and answers the body of a success. */
async function call(method, path, body) {
  const isForm = body instanceof FormData
  const response = await fetch(server.url + path, {
    method,
    headers: { accept: "application/json", ...(!isForm && { "content-type": "application/json" }) },
    ...(body !== undefined && { body: isForm ? body : JSON.stringify(body) }),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${text}`)
  return text === "" ? null : JSON.parse(text)
}
