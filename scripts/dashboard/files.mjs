import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"

export const DIST = new URL("../../dist/", import.meta.url)
/** What the Worker serves without running. */
export const ASSETS = new URL("assets/", DIST)

/**
 * Writes a file unless it holds just that already.
 * @param {URL} file
 * @param {string | Uint8Array} content
 */
export function keep(file, content) {
  if (existsSync(file) && readFileSync(file).equals(Buffer.from(content))) return
  mkdirSync(new URL(".", file), { recursive: true })
  writeFileSync(file, content)
}
