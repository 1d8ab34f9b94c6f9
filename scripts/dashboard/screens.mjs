// The dashboard's screens, for whoever walks over them in a browser: tests, and the script that makes screenshots.
import { fileURLToPath } from "node:url"
import { build } from "esbuild"

/** @typedef {import("playwright-core").Page | import("playwright-core").Frame} Shown */

/** What `settle` asks: to be added to every context as an init script. */
export const CALM = fileURLToPath(new URL("calm.js", import.meta.url))
const SCREENS = fileURLToPath(new URL("../../src/dashboard/app/screens.ts", import.meta.url))

/**
 * The paths of all screens, as the page has them that is shown: a new screen is among them without a word here.
 * @param {Shown} page
 * @returns {Promise<string[]>}
 */
export async function pathsOf(page) {
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
  // Its modules look at the page that they are part of.
  return page.evaluate(`${outputFiles[0]?.text}; Screens.screens.map(({ path }) => path)`)
}

/**
 * The address of a screen; `params` are what stands for the variable parts of paths.
 * @param {string} path
 * @param {Readonly<Record<string, string>>} params
 */
export function addressOf(path, params) {
  const filled = path.replace(/:(\w+)\??/g, (_, name) => {
    const value = params[name]
    if (value === undefined) throw new Error(`sample.mjs has nothing for :${name} of ${path}`)
    return encodeURIComponent(value)
  })
  return `/dashboard${filled}`
}

/**
 * Shows an address, and waits until all is there that it shows.
 * @param {Shown} page
 * @param {string} address
 */
export async function show(page, address) {
  await page.goto(new URL(address, page.url()).href)
  await settle(page)
}

/**
 * Waits until the screen is there and nothing is on its way.
 * @param {Shown} page
 */
export async function settle(page) {
  await page.evaluate("calm()")
}
