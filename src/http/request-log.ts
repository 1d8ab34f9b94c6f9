import { createMiddleware } from "hono/factory"

import type { AppEnv } from "./router.ts"

/** One line per request: who asked for what, what came of it, how long it took. */
export const requestLog = createMiddleware<AppEnv>(async (c, next) => {
  const { clock, log } = c.var.deps
  const started = clock.now()
  await next()
  const url = new URL(c.req.url)
  log({
    unit: "request",
    requestId: c.var.requestId,
    address: c.req.header("cf-connecting-ip") ?? null,
    method: c.req.method,
    path: url.pathname + url.search,
    status: c.res.status,
    bytes: Number(c.res.headers.get("content-length")) || null,
    referer: c.req.header("referer") ?? null,
    agent: c.req.header("user-agent") ?? null,
    durationMs: clock.now() - started,
    ...(c.error && c.res.status >= 500 ? { error: String(c.error), stack: c.error.stack } : {}),
  })
})
