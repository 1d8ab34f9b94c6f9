import { operation } from "../../http/operation.ts"
import { Problem } from "../../http/problem.ts"
import { createRouter } from "../../http/router.ts"
import { refusals } from "../problems.ts"
import type { Look } from "./cached.ts"

/** The API's own health, open to whoever watches us. HEAD is answered too, as everywhere. */
export function createApiHealth(look: Look) {
  const health = createRouter()
  const responses = { 204: { description: "Up" }, ...refusals() }

  health.openapi(
    operation({
      operationId: "v1.health.get",
      access: "anybody",
      summary: "Whether the system is well",
      description: "Delays are well enough; a database that does not answer is not. `/health` tells more.",
      path: "/api/v1/health",
      tags: ["Health"],
      method: "get",
      responses,
    }),
    async (c) => {
      const { status } = await look(c.var.deps)
      if (status === "failing")
        throw new Problem(503, "unhealthy", "The database does not answer: see /health")
      return c.body(null, 204)
    },
  )
  health.openapi(
    operation({
      operationId: "v1.health.ping",
      access: "anybody",
      summary: "Whether anybody is here",
      path: "/api/v1/health/ping",
      tags: ["Health"],
      method: "get",
      responses,
    }),
    (c) => c.body(null, 204),
  )
  return health
}
