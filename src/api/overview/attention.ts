import { z } from "@hono/zod-openapi"

import { type Named, namesOf } from "../../engine/applications/names.ts"
import type { Standing } from "../../engine/endpoints/standing.ts"
import { type Attention, getAttention } from "../../engine/upkeep/attention.ts"
import { operation } from "../../http/operation.ts"
import { createRouter } from "../../http/router.ts"
import { taskName } from "../background-task/background-task.ts"
import { standing, toStanding } from "../endpoint/health.ts"
import type { Look } from "../health/cached.ts"
import { Health, toHealth } from "../health/wire.ts"
import { refusals } from "../problems.ts"
import { toTime } from "../wire.ts"

/** An application as lists across applications name it. */
export const Application = z.object({ id: z.string(), uid: z.string().nullable(), name: z.string() })

const ms = z.number().nullable()

const AttentionOut = z
  .object({
    endpoints: z
      .array(
        z.object({
          ...standing,
          application: Application,
          host: z.string().openapi({ description: "Of its URL" }),
          cause: z.string().nullable().openapi({
            description: "Why it is disabled, or how its last attempt ended; null: nobody knows",
            example: "timeout",
          }),
        }),
      )
      .openapi({
        description: "Those that fail, are paused or disabled, 100 at most, the newest trouble first",
      }),
    isComplete: z.boolean().openapi({ description: "Whether these are all that one look has seen" }),
    stuck: z
      .array(
        z.object({
          id: z.string(),
          application: Application,
          eventType: z.string(),
          createdAt: z.iso.datetime(),
        }),
      )
      .openapi({ description: "Messages that should be on their way by now, the oldest first" }),
    tasks: z.array(
      z.object({
        id: z.string(),
        application: Application,
        task: z.string(),
        processed: z.number().int(),
        createdAt: z.iso.datetime(),
      }),
    ),
    pace: z
      .object({
        eventsPerMinute: z.number().int(),
        deliveriesPerMinute: z.number().int(),
        success: ms.openapi({ description: "The share of what was attempted that was taken, 0 to 1" }),
        lagP50Ms: ms.openapi({ description: "From a message's coming in to its first attempt" }),
        lagP95Ms: ms,
      })
      .openapi({ description: "Of the newest 500 messages of each database, none older than an hour" }),
    health: Health,
  })
  .openapi("AttentionOut")

/** What needs a person, across applications; the system's health is as of a moment ago. */
export function createAttention(look: Look) {
  const attention = createRouter()
  attention.openapi(
    operation({
      operationId: "posthorn.overview.attention",
      tags: ["Overview"],
      summary: "What needs a person, across applications",
      description:
        "Endpoints that fail, are paused or disabled, with host and cause; messages that are stuck; tasks that run; how fast things go, and `/health`. One look goes through the endpoints in the retry lane, those that are disabled and the newest, 1,000 of each in every database.",
      method: "get",
      path: "/api/v1/overview/attention",
      responses: {
        200: {
          description: "What one look has seen",
          content: { "application/json": { schema: AttentionOut } },
        },
        ...refusals(),
      },
    }),
    async (c) => {
      const { deps } = c.var
      const [found, health] = await Promise.all([getAttention(deps), look(deps)])
      const { endpoints, stuck, tasks } = found
      const ids = [...endpoints, ...stuck, ...tasks].map(({ applicationId }) => applicationId)
      return c.json({ ...toWire(found, await namesOf(deps, ids)), health: toHealth(health) }, 200)
    },
  )
  return attention
}

function toWire({ endpoints, stuck, tasks, ...rest }: Attention, nameOf: (id: string) => Named) {
  return {
    ...rest,
    endpoints: endpoints.map((endpoint) => ({
      ...toStanding(endpoint),
      application: nameOf(endpoint.applicationId),
      host: hostOf(endpoint.url),
      cause: causeOf(endpoint),
    })),
    stuck: stuck.map(({ id, applicationId, eventType, createdAt }) => ({
      id,
      application: nameOf(applicationId),
      eventType,
      createdAt: toTime(createdAt),
    })),
    tasks: tasks.map(({ id, applicationId, kind, processed, createdAt }) => ({
      id,
      application: nameOf(applicationId),
      task: taskName(kind),
      processed,
      createdAt: toTime(createdAt),
    })),
  }
}

function hostOf(url: string): string {
  return URL.parse(url)?.host ?? url
}

function causeOf({ disabledReason, last }: Standing): string | null {
  return disabledReason ?? last?.result ?? null
}
