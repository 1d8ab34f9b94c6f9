import { readFileSync } from "node:fs"
import { mkdtemp, rm } from "node:fs/promises"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { BrowserContextOptions, Page } from "playwright-core"
import { expect } from "vitest"

import { CALM } from "../../scripts/dashboard/screens.mjs"
import { findFreePort, startServer } from "../../scripts/dev-server.mjs"
import { launchBrowser } from "../system/browser.ts"

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8")
const IN_PAGE = fileURLToPath(import.meta.resolve("./in-page.js"))
const PHONE = { width: 390, height: 844 }

/** A page of the dashboard, and what must not happen on it. */
export interface Watched {
  page: Page
  /** Requests outside the Worker, errors on the console, violations of the Content-Security-Policy. */
  faults: string[]
}

/** The whole system with a browser before it. Every page that it opens is watched. */
export async function startDashboard(settings: Record<string, string> = {}) {
  const directory = await mkdtemp(join(tmpdir(), "posthorn-pages-"))
  const vars = Object.entries(settings).flatMap(([name, value]) => ["--var", `${name}:${value}`])
  const args = ["--port", String(await findFreePort()), "--persist-to", directory, ...vars]
  let server = await startServer({ args })
  const browser = await launchBrowser()
  const { url } = server

  return {
    url,
    /** Calls the API beside the page, to prepare what it shows; answers the body, and throws unless it is 2xx. */
    async call<T = Record<string, unknown>>(method: string, path: string, body?: unknown): Promise<T> {
      const isForm = body instanceof FormData
      const response = await fetch(url + path, {
        method,
        headers: {
          accept: "application/json",
          ...(isForm ? {} : { "content-type": "application/json" }),
          ...(settings.API_TOKEN ? { authorization: `Bearer ${settings.API_TOKEN}` } : {}),
        },
        ...(body === undefined ? {} : { body: isForm ? body : JSON.stringify(body) }),
      })
      const text = await response.text()
      if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
      return (text === "" ? null : JSON.parse(text)) as T
    },
    /**
     * Opens a path, or the whole address of another site, in a browser of its own, which reaches nothing but the Worker
     * and that site.
     */
    async open(path: string, options: BrowserContextOptions = {}): Promise<Watched> {
      const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options })
      for (const path of [CALM, IN_PAGE]) await context.addInitScript({ path })
      const page = await context.newPage()
      const address = new URL(path, url)
      const faults = watch(page, url)
      await page.route(
        ({ origin, protocol }) => origin !== url && origin !== address.origin && protocol !== "data:",
        (route) => {
          faults.push(`a request outside the Worker: ${route.request().url()}`)
          return route.abort()
        },
      )
      await page.goto(address.href)
      return { page, faults }
    },
    /** Works on the state folder of the system while that is down. */
    async whileStopped(work: (folder: string) => void): Promise<void> {
      await server.stop()
      work(directory)
      server = await startServer({ args })
    },
    async stop() {
      await browser.close()
      await server.stop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

export type Dashboard = Awaited<ReturnType<typeof startDashboard>>

function watch(page: Page, url: string): string[] {
  const faults: string[] = []
  // A violation of the Content-Security-Policy is an error on the console, too.
  page.on("console", (message) => {
    if (message.type() === "error")
      faults.push(`${message.text()} (${message.location().url.replace(url, "")})`)
  })
  page.on("pageerror", (error) => faults.push(String(error)))
  return faults
}

/**
 * Holds a screen to what every screen keeps: no fault, nothing serious for axe in light and dark, nothing wider than the
 * screen of a desk or a phone.
 */
export async function expectSound({ page, faults }: Watched): Promise<void> {
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme })
    expect(await seriousFor(page), `axe, ${colorScheme}`).toEqual([])
  }
  await page.emulateMedia({ colorScheme: null })
  await expectToFit({ page, faults })
}

/** Holds a screen to what every screen keeps whatever it shows: no fault, nothing wider than a desk's screen or a phone's. */
export async function expectToFit({ page, faults }: Watched): Promise<void> {
  const before = page.viewportSize()
  for (const size of [before, PHONE]) {
    if (size) await page.setViewportSize(size)
    expect(await overflowOf(page), `wider than ${size?.width} px`).toBeLessThanOrEqual(0)
  }
  if (before) await page.setViewportSize(before)
  expect(faults).toEqual([])
}

/** Holds a table on a phone to show whole what it shows: nothing is cut, and nothing lies beside the screen. */
export async function expectWholeOnPhone(page: Page): Promise<void> {
  const before = page.viewportSize()
  await page.setViewportSize(PHONE)
  expect(await page.evaluate("probe.cutInTables()")).toEqual([])
  if (before) await page.setViewportSize(before)
}

/** What axe calls serious or critical, each with the element. */
async function seriousFor(page: Page): Promise<string[]> {
  if (!(await page.evaluate("'axe' in globalThis"))) await page.evaluate(AXE)
  return page.evaluate(async () => {
    const { violations } = await (
      globalThis as unknown as {
        axe: { run(): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }> }
      }
    ).axe.run()
    return violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`))
  })
}

/** By how many pixels the page is wider than its window. */
function overflowOf(page: Page): Promise<number> {
  return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
}
