import { createMiddleware } from "hono/factory"
import type { Deps } from "../../platform/deps.ts"
import { jsonLine } from "../../platform/log.ts"
import type { AppEnv } from "../router.ts"

/**
 * Gives each request its id, Cloudflare's own if it came with one, and what its handler
 * may use of the outside.
 */
export function withDeps(makeDeps: (env: Env) => Deps) {
  return createMiddleware<AppEnv>(async (c, next) => {
    const ray = c.req.header("cf-ray") ?? ""
    const requestId = /^[\w-]{1,64}$/.test(ray) ? ray : crypto.randomUUID()
    c.set("requestId", requestId)
    try {
      c.set("deps", makeDeps(c.env))
    } catch (error) {
      // Without settings there is no sink, and no request line either.
      const fault = { unit: "fault", during: "settings", requestId, error: String(error) } as const
      console.log(jsonLine(fault, Date.now()))
      throw error
    }
    await next()
  })
}
