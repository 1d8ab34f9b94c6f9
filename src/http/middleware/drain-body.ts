import { createMiddleware } from "hono/factory"

import type { Config } from "../../platform/config.ts"
import type { AppEnv } from "../router.ts"

/** Beyond the largest body that anybody takes: so much more is read before the connection is given up. */
const ENVELOPE_BYTES = 1024 * 1024

/**
 * Reads what an answer has left of the body, as far as a good request may go: few clients look for an answer
 * before they have sent everything. Without it, one that streams a body of unknown length past the limit sees
 * a broken connection instead of the 413. `largest` is the size of the largest body that anybody takes.
 */
export function drainBody(largest: (config: Config) => number) {
  return createMiddleware<AppEnv>(async (c, next) => {
    const { body } = c.req.raw
    await next()
    if (body !== null && !body.locked) await discard(body, largest(c.var.deps.config) + ENVELOPE_BYTES)
  })
}

async function discard(body: ReadableStream<Uint8Array>, limit: number): Promise<void> {
  const reader = body.getReader()
  try {
    for (let left = limit; left >= 0; ) {
      const { done, value } = await reader.read()
      if (done) return
      left -= value.byteLength
    }
    await reader.cancel()
  } catch {
    // The client has gone: there is nothing left to read.
  }
}
