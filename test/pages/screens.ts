import { fileURLToPath } from "node:url"
import { build } from "esbuild"
import type { Frame, Page } from "playwright-core"

import type { Dashboard } from "./dashboard.ts"

const SCREENS = fileURLToPath(import.meta.resolve("../../src/dashboard/app/screens.ts"))

/** The paths of all screens, as the page itself has them: a new screen is among them without a word here. */
export async function readScreens(dashboard: Dashboard): Promise<string[]> {
  const { outputFiles } = await build({
    entryPoints: [SCREENS],
    bundle: true,
    format: "iife",
    globalName: "Screens",
    jsx: "automatic",
    jsxImportSource: "preact",
    loader: { ".css": "empty" },
    write: false,
  })
  const { page } = await dashboard.open("/dashboard")
  // Its modules look at the page that they are part of.
  const paths = await page.evaluate<string[]>(
    `${outputFiles[0]?.text}; Screens.screens.map(({ path }) => path)`,
  )
  await page.context().close()
  return paths
}

/** The address of a screen; `params` are what stands for the variable parts of paths. */
export function addressOf(path: string, params: Readonly<Record<string, string>>): string {
  const filled = path.replace(/:(\w+)\??/g, (_, name: string) => {
    const value = params[name]
    if (value === undefined)
      throw new Error(`scripts/dashboard/sample.mjs has nothing for :${name} of ${path}`)
    return encodeURIComponent(value)
  })
  return `/dashboard${filled}`
}

/** Shows an address, and waits until all is there that it shows. */
export async function show(page: Page | Frame, address: string): Promise<void> {
  await page.goto(new URL(address, page.url()).href)
  await settle(page)
}

/** Waits until nothing is on its way. */
export async function settle(page: Page | Frame): Promise<void> {
  await page.locator("main h1, main h2").first().waitFor()
  await page.locator("main [aria-busy=true]").first().waitFor({ state: "detached" })
  await page.waitForLoadState("networkidle")
}

/** The address, and those of the other tabs of the screen that it shows. */
export async function withTabs(page: Page | Frame, address: string): Promise<string[]> {
  await show(page, address)
  return [address, ...(await page.evaluate<string[]>("probe.otherTabs()"))]
}

/** What has a place to press or to fill in, and Tab does not come to, or without showing where it is. */
export async function unreachedByTab(page: Page): Promise<string[]> {
  const count = await page.evaluate<number>("probe.watchFocus()")
  // One round, and what a browser adds of its own at both ends.
  for (let press = 0; press < count + 3; press++) await page.keyboard.press("Tab")
  return page.evaluate<string[]>("probe.missed()")
}
