import { z } from "@hono/zod-openapi"

import { namesOf } from "../../engine/applications/names.ts"
import { listActivity } from "../../engine/upkeep/activity.ts"
import { operation } from "../../http/operation.ts"
import { wholeNumber } from "../../http/query.ts"
import { createRouter } from "../../http/router.ts"
import type { Activity } from "../../platform/activity.ts"
import { taskName } from "../background-task/background-task.ts"
import { refusals } from "../problems.ts"
import { toTime } from "../wire.ts"
import { Application } from "./attention.ts"

const MAX_LIMIT = 200
/** Later, in epoch ms, than anybody asks: in the year 2286. */
const LAST_MOMENT = 9_999_999_999_999

const ActivityOut = z
  .object({
    data: z.array(
      z.object({
        kind: z.enum(["event", "attempt", "task", "upload"]),
        id: z.string().openapi({ description: "Unique within its kind" }),
        application: Application,
        name: z.string().openapi({ description: "An event's type, the kind of a task, a file's name" }),
        state: z.string().openapi({
          description:
            "Of an event `waiting`, `dispatched`, `failed`; of an attempt `delivered`, `failed`; of tasks and uploads their own",
        }),
        receivedAt: z.iso.datetime(),
        startedAt: z.iso.datetime().nullable(),
        runtimeMs: z.number().int().nullable(),
        tries: z.number().int(),
        result: z.string().nullable().openapi({ description: "A status code, or what went wrong" }),
        messageId: z.string().nullable(),
        endpointId: z.string().nullable(),
        url: z.string().nullable(),
      }),
    ),
    iterator: z.string().openapi({ description: "For the next question" }),
  })
  .openapi("ActivityOut")

export const activity = createRouter()

activity.openapi(
  operation({
    operationId: "posthorn.overview.activity",
    tags: ["Overview"],
    summary: "What happens in all applications, as it happens",
    description:
      "Messages, attempts, tasks and uploads, the newest first: of the last hour, or behind an iterator. What may have changed since then comes again, under the same kind and id: an attempt is told of when it is over. Of each kind a look sees the newest 100 in every database; of attempts the first ones of the newest 100 messages, and later ones at the endpoints that are in the retry lane and the 1,000 newest. Pings are left out.",
    method: "get",
    path: "/api/v1/overview/activity",
    request: {
      query: z.object({
        limit: wholeNumber(1, MAX_LIMIT).default(MAX_LIMIT),
        iterator: wholeNumber(0, LAST_MOMENT).optional(),
      }),
    },
    responses: {
      200: {
        description: "What has happened",
        content: { "application/json": { schema: ActivityOut } },
      },
      ...refusals(),
    },
  }),
  async (c) => {
    const { deps } = c.var
    const { iterator, limit } = c.req.valid("query")
    const next = deps.clock.now()
    const found = await listActivity(deps, iterator, limit)
    const nameOf = await namesOf(
      deps,
      found.map(({ applicationId }) => applicationId),
    )
    return c.json({ data: found.map((one) => toWire(one, nameOf)), iterator: String(next) }, 200)
  },
)

function toWire(one: Activity, nameOf: (id: string) => z.infer<typeof Application>) {
  const { applicationId, eventId, receivedAt, startedAt, name, ...rest } = one
  return {
    ...rest,
    name: one.kind === "task" ? taskName(name) : name,
    application: nameOf(applicationId),
    receivedAt: toTime(receivedAt),
    startedAt: startedAt === null ? null : toTime(startedAt),
    messageId: eventId,
  }
}
