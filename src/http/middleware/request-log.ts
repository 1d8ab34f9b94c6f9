import type { Context } from "hono"
import { createMiddleware } from "hono/factory"

import type { AppEnv } from "../router.ts"

/** Query parameters that may hold a credential, put there by mistake: we never read one from the query. */
const CREDENTIAL = /token|secret|key|auth|pass|sig/i

/** One line per request: who asked for what, what came of it, how long it took. */
export const requestLog = createMiddleware<AppEnv>(async (c, next) => {
  const { clock, log } = c.var.deps
  const started = clock.now()
  await next()
  const url = new URL(c.req.url)
  const bytes = await bytesOf(c)
  log({
    unit: "request",
    requestId: c.var.requestId,
    address: c.req.header("cf-connecting-ip") ?? null,
    method: c.req.method,
    path: url.pathname + searchOf(url),
    status: c.res.status,
    bytes,
    referer: refererOf(c.req.header("referer")),
    agent: c.req.header("user-agent") ?? null,
    durationMs: clock.now() - started,
    ...(c.error && c.res.status >= 500 ? faultOf(c.error) : {}),
  })
})

/** How long the answer is. Only what says so itself, files for one, is left to stream. */
async function bytesOf(c: Context<AppEnv>): Promise<number> {
  const declared = c.res.headers.get("content-length")
  if (declared !== null || c.res.body === null) return Number(declared)
  const body = await c.res.arrayBuffer()
  c.res = new Response(body, c.res)
  return body.byteLength
}

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
