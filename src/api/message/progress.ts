import { z } from "@hono/zod-openapi"

import { COUNTED_OF_EVENT, countByEvent } from "../../engine/deliveries/stats.ts"
import { operation } from "../../http/operation.ts"
import { createRouter } from "../../http/router.ts"
import { refusals } from "../problems.ts"
import { AppPath, IdOrUid } from "../wire.ts"

/** As many as a page of messages has if nothing is said. */
const MAX_IDS = 50

const count = z.number().int()

const MessageProgressOut = z
  .object({
    data: z.array(
      z.object({
        id: z.string(),
        delivered: count,
        pending: count.openapi({ description: "Not attempted yet, or under way" }),
        retrying: count,
        failed: count,
        canceled: count,
      }),
    ),
  })
  .openapi("MessageProgressOut")

export const progress = createRouter()

progress.openapi(
  operation({
    operationId: "v1.message.list-progress",
    access: "application",
    tags: ["Message"],
    summary: "How far messages are",
    description: `An operation of our own, for a list of messages: how many endpoints have got each of them, and how many have not. Of one message ${COUNTED_OF_EVENT} endpoints are counted; an id that is no message's is left out.`,
    method: "get",
    path: "/api/v1/app/{app_id}/message-progress",
    request: {
      params: AppPath,
      query: z.object({
        message_id: z
          .preprocess((given) => [given ?? []].flat(), z.array(IdOrUid).max(MAX_IDS))
          .openapi({
            type: "array",
            items: { type: "string" },
            description: `Ids of messages, no uids; the parameter several times, ${MAX_IDS} at most`,
          }),
      }),
    },
    responses: {
      200: {
        description: "The messages in the order asked for",
        content: { "application/json": { schema: MessageProgressOut } },
      },
      ...refusals(),
    },
  }),
  async (c) => {
    const ids = [...new Set(c.req.valid("query").message_id)]
    const found = await countByEvent(c.var.deps, c.var.application.id, ids)
    const data = ids.flatMap((id) => {
      const stats = found.get(id)
      if (!stats) return []
      const { sending, pending, ...rest } = stats
      return [{ id, ...rest, pending: pending + sending }]
    })
    return c.json({ data }, 200)
  },
)
