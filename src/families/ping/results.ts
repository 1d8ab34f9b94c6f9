import { z } from "@hono/zod-openapi"

import { getPingResults } from "../../engine/pings/ping.ts"
import { invalid, problems } from "../../http/dialects/plain.ts"
import { operation } from "../../http/operation.ts"
import { jsonAnswer } from "../../http/raw-json.ts"
import { withExamples } from "../../http/refusals.ts"
import { createRouter } from "../../http/router.ts"
import { EventFilter, isIn, PINGED, Pinged, Pinging, pendingOf, toWire } from "./wire.ts"

export const results = createRouter()

results.openapi(
  operation({
    operationId: "getPingResults",
    tags: ["Webhooks"],
    summary: "The results of a ping so far",
    method: "get",
    path: "/ping/{ping_id}",
    request: {
      params: z.object({ ping_id: z.string().openapi({ example: "ping_019a8f0c5d1b7c3e9a4f2b6d8e0c1a3f" }) }),
      query: EventFilter,
    },
    responses: {
      200: { description: "All results are in", content: { "application/json": { schema: Pinged } } },
      202: {
        description: "Some results are still to come",
        content: { "application/json": { schema: Pinging } },
      },
      ...withExamples(problems(404), { 404: { code: "not_found", detail: "Ping not found" } }),
      ...invalid,
    },
  }),
  async (c) => {
    const { event_filter: filter } = c.req.valid("query")
    const found = await getPingResults(c.var.deps, {
      id: c.req.valid("param").ping_id,
      applicationIds: PINGED,
    })
    if (found.every(isIn)) return jsonAnswer(c, toWire(found, filter), 200)
    return jsonAnswer(c, { ...toWire(found, filter), ...pendingOf(found), results_url: c.req.url }, 202)
  },
)
