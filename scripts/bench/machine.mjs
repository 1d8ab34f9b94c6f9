import { execFileSync } from "node:child_process"
import { loadavg } from "node:os"

import { root } from "../wrangler.mjs"

/** How busy the machine has been in the last minute. */
export function load() {
  const [lastMinute = 0] = loadavg()
  return lastMinute
}

/** The commit that is measured; null outside a repository. */
export function commit() {
  try {
    return execFileSync("git", ["rev-parse", "--short", "HEAD"], { cwd: root, encoding: "utf8" }).trim()
  } catch {
    return null
  }
}
