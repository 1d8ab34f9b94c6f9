import type { Frame, Page } from "playwright-core"

import { pathsOf, show } from "../../scripts/dashboard/screens.mjs"
import type { Dashboard } from "./dashboard.ts"

/** The paths of all screens. */
export async function readScreens(dashboard: Dashboard): Promise<string[]> {
  const { page } = await dashboard.open("/dashboard")
  const paths = await pathsOf(page)
  await page.context().close()
  return paths
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
