import { createMiddleware } from "hono/factory"
import { OWN_RECEIVER } from "../../engine/rules/target-url.ts"
import { Problem } from "../problem.ts"
import type { AppEnv } from "../router.ts"

/**
 * Refuses a delivery of our own that came back to us: an endpoint that points here would loop for ever. A
 * test inbox takes it, for it sends nothing on.
 */
export const refuseLoops = createMiddleware<AppEnv>(async (c, next) => {
  const isDelivery = c.req.header("webhook-id") !== undefined
  const isOurs = c.req.header("user-agent")?.startsWith("Posthorn/") ?? false
  if (isDelivery && isOurs && !OWN_RECEIVER.test(c.req.path)) {
    throw new Problem(
      508,
      "loop_detected",
      "This is a delivery of Posthorn itself: an endpoint must not point back here",
    )
  }
  await next()
})
