import type { Frame, Page } from "playwright-core"

import { pathsOf, settle, show } from "../../scripts/dashboard/screens.mjs"
import type { Dashboard } from "./dashboard.ts"

/** The paths of all screens. */
export async function readScreens(dashboard: Dashboard): Promise<string[]> {
  const { page } = await dashboard.open("/dashboard")
  const paths = await pathsOf(page)
  await page.context().close()
  return paths
}

/** Tells the address of the screen that is shown, and shows and tells each of its other tabs. */
export async function* eachTab(page: Page | Frame): AsyncGenerator<string> {
  await settle(page)
  const others = await page.evaluate<string[]>("probe.otherTabs()")
  yield page.url()
  for (const tab of others) {
    await show(page, tab)
    yield tab
  }
}

/** What has a place to press or to fill in, and Tab does not come to, or without showing where it is. */
export async function unreachedByTab(page: Page): Promise<string[]> {
  const count = await page.evaluate<number>("probe.watchFocus()")
  // One round, and what a browser adds of its own at both ends.
  for (let press = 0; press < count + 3; press++) await page.keyboard.press("Tab")
  return page.evaluate<string[]>("probe.missed()")
}
