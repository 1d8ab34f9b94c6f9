import { z } from "@hono/zod-openapi"
import type { Context } from "hono"

import { CATALOG } from "../../engine/applications/built-in.ts"
import { recoveredShare } from "../../engine/tasks/recover.ts"
import {
  cancelTask,
  getTask,
  listTasks,
  type Task,
  type TaskScope,
  type TaskStatus,
} from "../../engine/tasks/task.ts"
import { IdempotencyKey, idempotent } from "../../http/middleware/idempotency.ts"
import { operation } from "../../http/operation.ts"
import { type AppEnv, createRouter } from "../../http/router.ts"
import { Iterator, Limit, listOf, Ordering, toList, toPageRequest } from "../page.ts"
import { refusals } from "../problems.ts"
import { IdOrUid, toTime } from "../wire.ts"

/**
 * The kinds of task that the wire has a name for. The official clients take no others: what a kind without
 * one does is seen in what it changes.
 */
export const TASK_NAMES = { recover: "endpoint.recover" } as const

/** What the wire calls a kind of task; one without a name there goes by its own. */
export function taskName(kind: string): string {
  return (TASK_NAMES as Readonly<Record<string, string>>)[kind] ?? kind
}

const TaskName = z.enum(Object.values(TASK_NAMES))
/** Their clients know no canceled task either: it is one that has failed, and says why. */
const WireStatus = z.enum(["running", "finished", "failed"])
const STATUSES: Readonly<Record<z.infer<typeof WireStatus>, readonly TaskStatus[]>> = {
  running: ["running"],
  finished: ["finished"],
  failed: ["failed", "canceled"],
}

const BackgroundTaskOut = z
  .object({
    id: z.string(),
    status: WireStatus,
    task: TaskName,
    data: z.object({
      processed: z.number().int().openapi({ description: "Messages that have become due again so far" }),
      share: z.number().openapi({
        description: "How far it has come through the time that is recovered, from 0 to 1",
      }),
      reason: z
        .enum(["canceled", "internal"])
        .nullable()
        .openapi({ description: "Why it has failed; `internal`: it was tried too often" }),
    }),
    updatedAt: z.iso.datetime(),
  })
  .openapi("BackgroundTaskOut")

const TaskPath = z.object({ task_id: IdOrUid })
const tags = ["Background Task"]
const answer = (description: string) => ({
  description,
  content: { "application/json": { schema: BackgroundTaskOut } },
})

export const backgroundTasks = createRouter()

backgroundTasks.openapi(
  operation({
    operationId: "v1.background-task.list",
    access: "application",
    tags,
    summary: "List the long tasks, newest first",
    description:
      "Of every application, or of the token's own. A page may be short of its limit, even empty, before the end: `done` tells.",
    method: "get",
    path: "/api/v1/background-task",
    request: {
      query: z.object({
        status: WireStatus.optional(),
        task: TaskName.optional(),
        limit: Limit,
        iterator: Iterator,
        order: Ordering.optional(),
      }),
    },
    responses: {
      200: {
        description: "A page of tasks",
        content: { "application/json": { schema: listOf("BackgroundTaskOut", BackgroundTaskOut) } },
      },
      ...refusals(),
    },
  }),
  async (c) => {
    const { status, task: name, ...page } = c.req.valid("query")
    const found = await listTasks(
      c.var.deps,
      scopeOf(c, name),
      toPageRequest(page, "descending"),
      status && STATUSES[status],
    )
    return c.json(
      toList(found, ({ id }) => id, toWire),
      200,
    )
  },
)

backgroundTasks.openapi(
  operation({
    operationId: "v1.background-task.get",
    access: "application",
    tags,
    summary: "Get a long task and how far it is",
    method: "get",
    path: "/api/v1/background-task/{task_id}",
    request: { params: TaskPath },
    responses: { 200: answer("The task"), ...refusals() },
  }),
  async (c) => c.json(toWire(await getTask(c.var.deps, scopeOf(c), c.req.valid("param").task_id)), 200),
)

backgroundTasks.openapi(
  operation({
    operationId: "v1.background-task.cancel",
    access: "application",
    needs: "CreateAttempts",
    tags,
    summary: "Cancel a long task",
    description:
      "Takes effect between two of its steps: what they have done stays. Answered the same for a task that is canceled already; refused with 409 for one that has ended otherwise.",
    method: "post",
    path: "/api/v1/background-task/{task_id}/cancel",
    request: { params: TaskPath, headers: IdempotencyKey },
    responses: { 200: answer("Canceled"), ...refusals() },
  }),
  async (c) => {
    const { deps } = c.var
    const scope = scopeOf(c)
    const task = await getTask(deps, scope, c.req.valid("param").task_id)
    const { body } = await idempotent(
      c,
      { applicationId: CATALOG, ids: async () => [task.id] },
      () => cancelTask(deps, scope, task.id),
      (canceled: Task) => ({ status: 200, body: toWire(canceled) }),
    )
    return c.json(body, 200)
  },
)

/** A token of an application has its own tasks within reach. */
function scopeOf(c: Context<AppEnv>, name?: z.infer<typeof TaskName>): TaskScope {
  const { principal } = c.var
  const kinds = Object.entries(TASK_NAMES).filter(([, one]) => name === undefined || one === name)
  return {
    applicationId: principal.kind === "application" ? principal.token.applicationId : null,
    kinds: kinds.map(([kind]) => kind),
  }
}

function toWire(task: Task): z.infer<typeof BackgroundTaskOut> {
  const { id, kind, status, processed, updatedAt } = task
  const reason = status === "canceled" ? "canceled" : status === "failed" ? "internal" : null
  return {
    id,
    status: status === "canceled" ? "failed" : status,
    task: TASK_NAMES[kind as keyof typeof TASK_NAMES],
    data: { processed, share: recoveredShare(task), reason },
    updatedAt: toTime(updatedAt),
  }
}
