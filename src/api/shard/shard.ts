import { z } from "@hono/zod-openapi"

import { cancelMove, type MoveProgress, moveApplication } from "../../engine/applications/move.ts"
import { operation } from "../../http/operation.ts"
import { createRouter } from "../../http/router.ts"
import { refusals } from "../problems.ts"
import { AppPath } from "../wire.ts"

const tags = ["Application"]
const path = "/api/v1/app/{app_id}/shard/{shard}"

const params = AppPath.extend({
  shard: z.coerce.number().int().min(0).openapi({ description: "The number of a database", example: 1 }),
})

const MoveOut = z
  .object({
    shard: z.number().int().openapi({ description: "Where the application lives now" }),
    step: z
      .enum(["mark", "hold", "copy", "leave", "cancel"])
      .nullable()
      .openapi({ description: "What is being done; null: nothing any more" }),
    waitMs: z
      .number()
      .int()
      .openapi({ description: "When to send the request again, while there is a step" }),
  })
  .openapi("MoveOut", { example: { shard: 0, step: "hold", waitMs: 2000 } })

const responses = {
  200: {
    description: "How far the move is",
    content: { "application/json": { schema: MoveOut } },
  },
  ...refusals(),
}

export const shards = createRouter()

shards.openapi(
  operation({
    operationId: "posthorn.shard.move",
    tags,
    summary: "Move an application to another database",
    description:
      "Does a bounded number of steps: send it again until `step` is null, as `npm run move` does. Until `leave` the application can be read, but writes to it answer 503, and nothing of it is sent from `hold` on.",
    method: "put",
    path,
    request: { params },
    responses,
  }),
  async (c) => {
    const { application, deps } = c.var
    return c.json(toWire(await moveApplication(deps, application.id, c.req.valid("param").shard)), 200)
  },
)

shards.openapi(
  operation({
    operationId: "posthorn.shard.cancel-move",
    tags,
    summary: "Take a move back before its last step",
    description: "Send it again until `step` is null.",
    method: "delete",
    path,
    request: { params },
    responses,
  }),
  async (c) => c.json(toWire(await cancelMove(c.var.deps, c.var.application.id)), 200),
)

function toWire({ shard, step, waitMs }: MoveProgress) {
  return { shard, step, waitMs }
}
