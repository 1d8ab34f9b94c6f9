import { createMiddleware } from "hono/factory"

import type { AppEnv } from "./router.ts"

/** Query parameters that may hold a credential, put there by mistake: we never read one from the query. */
const CREDENTIAL = /token|secret|key|auth|pass|sig/i

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
    path: url.pathname + searchOf(url),
    status: c.res.status,
    bytes: Number(c.res.headers.get("content-length")) || null,
    referer: refererOf(c.req.header("referer")),
    agent: c.req.header("user-agent") ?? null,
    durationMs: clock.now() - started,
    ...(c.error && c.res.status >= 500 ? faultOf(c.error) : {}),
  })
})

/** The query as it came, but for the values of credentials. */
function searchOf(url: URL): string {
  const params = [...url.searchParams]
  if (!params.some(([name]) => CREDENTIAL.test(name))) return url.search
  const shown = params.map(([name, value]) => {
    const text = CREDENTIAL.test(name) ? "***" : encodeURIComponent(value)
    return `${encodeURIComponent(name)}=${text}`
  })
  return `?${shown.join("&")}`
}

function refererOf(header: string | undefined): string | null {
  const url = URL.parse(header ?? "")
  return url && url.origin + url.pathname + searchOf(url)
}

/** The error and its causes by their first lines: behind those, Drizzle's messages show a statement's parameters. */
function faultOf(error: Error): { error: string; stack: string | undefined } {
  const causes: string[] = []
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    causes.push(String(cause).split("\n", 1)[0] ?? "")
  }
  const { stack = "", message } = error
  const frames = stack.includes(message)
    ? stack.slice(stack.indexOf(message) + message.length).trim()
    : undefined
  return { error: causes.join(" <- "), stack: frames }
}
