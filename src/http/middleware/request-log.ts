import { createMiddleware } from "hono/factory"

import type { AppEnv } from "../router.ts"

/** Query parameters that may hold a credential, put there by mistake: we never read one from the query. */
const CREDENTIAL = /token|secret|key|auth|pass|sig/i

/** Observes each request: who asked for what, what came of it, how long it took. */
export const requestLog = createMiddleware<AppEnv>(async (c, next) => {
  const { clock, observe } = c.var.deps
  const started = clock.now()
  await next()
  const length = c.res.headers.get("content-length")
  observe({
    unit: "request",
    requestId: c.var.requestId,
    address: c.req.header("cf-connecting-ip") ?? null,
    method: c.req.method,
    path: pathOf(c.req.url),
    status: c.res.status,
    // Most answers are streams: to count their bytes is to read them once more.
    bytes: length === null ? null : Number(length),
    referer: refererOf(c.req.header("referer")),
    agent: c.req.header("user-agent") ?? null,
    durationMs: clock.now() - started,
    ...(c.error && c.res.status >= 500 ? faultOf(c.error) : {}),
  })
})

/** The path with its query as they came, but for the values of credentials. */
function pathOf(url: string): string {
  const path = url.slice(url.indexOf("/", "https://".length))
  const query = path.indexOf("?")
  return query < 0 ? path : path.slice(0, query) + shownQuery(path.slice(query))
}

function shownQuery(search: string): string {
  const params = [...new URLSearchParams(search)]
  if (!params.some(([name]) => CREDENTIAL.test(name))) return search
  const shown = params.map(([name, value]) => {
    const text = CREDENTIAL.test(name) ? "***" : encodeURIComponent(value)
    return `${encodeURIComponent(name)}=${text}`
  })
  return `?${shown.join("&")}`
}

function refererOf(header: string | undefined): string | null {
  const url = header === undefined ? null : URL.parse(header)
  return url && url.origin + url.pathname + (url.search && shownQuery(url.search))
}

/**
 * The error and its causes by their first lines: behind those, Drizzle's messages show a
 * statement's parameters.
 */
function faultOf(error: Error): { error: string; stack?: string } {
  const causes: string[] = []
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    causes.push(String(cause).split("\n", 1)[0] ?? "")
  }
  const { stack = "", message } = error
  const frames = stack.includes(message) ? stack.slice(stack.indexOf(message) + message.length).trim() : null
  return { error: causes.join(" <- "), ...(frames === null ? {} : { stack: frames }) }
}
