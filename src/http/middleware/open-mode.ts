import { createMiddleware } from "hono/factory"
import { isLoopbackHost } from "../../engine/rules/target-url.ts"
import { isAmong } from "../constant-time.ts"
import { Problem } from "../problem.ts"
import type { AppEnv } from "../router.ts"

/**
 * Set by the door of `npm start` alone (scripts/dev-server/front-door.mjs), which lets no
 * client's value through.
 */
const OPEN_SECRET_HEADER = "posthorn-open-secret"

/**
 * Open mode has no token, so nobody but this machine may reach it: the Host must be loopback (a DNS name
 * bound to 127.0.0.1 by a stranger is not), and no web page of another origin may use a developer's
 * browser. What the Host was is certain only behind the door of `npm start`, for wrangler dev lets
 * any client choose it.
 */
export const guardOpenMode = createMiddleware<AppEnv>(async (c, next) => {
  const { authMode, openSecret } = c.var.deps.config
  if (authMode === "open") {
    const given = c.req.header(OPEN_SECRET_HEADER) ?? ""
    if (openSecret !== null && !(await isAmong(given, [openSecret]))) {
      throw new Problem(
        421,
        "misdirected",
        "Open mode answers at the address that `npm start` shows, no other",
      )
    }
    if (!isLoopbackHost(new URL(c.req.url).hostname)) {
      throw new Problem(
        421,
        "misdirected",
        "Open mode answers on localhost alone; set AUTH_MODE=token and API_TOKEN to be reached by others",
      )
    }
    if (c.req.header("sec-fetch-site") === "cross-site" || !isLoopbackOrigin(c.req.header("origin"))) {
      throw new Problem(403, "cross_site", "Open mode takes no requests from pages of other origins")
    }
  }
  await next()
})

/** True for no Origin at all, and for one on this machine. */
export function isLoopbackOrigin(origin: string | undefined): boolean {
  if (origin === undefined) return true
  const url = URL.parse(origin)
  return url !== null && isLoopbackHost(url.hostname)
}
