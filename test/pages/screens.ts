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

/** Rows may come and change their places meanwhile: what a round passed by, the next one comes to. */
const ROUNDS = 3

/** What has a place to press or to fill in, and Tab does not come to, or without showing where it is. */
export async function unreachedByTab(page: Page): Promise<string[]> {
  const count = await page.evaluate<number>("probe.watchFocus()")
  let missed: string[] = []
  for (let round = 0; round < ROUNDS; round++) {
    // What a browser adds of its own at both ends counts, too.
    for (let press = 0; press < count + 3; press++) await page.keyboard.press("Tab")
    missed = await page.evaluate<string[]>("probe.missed()")
    if (missed.length === 0) break
  }
  return missed
}
