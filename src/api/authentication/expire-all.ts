import { z } from "@hono/zod-openapi"
import { CATALOG } from "../../engine/applications/built-in.ts"
import { endTokens } from "../../engine/applications/tokens.ts"
import type { Remember } from "../../engine/kit/idempotency.ts"
import { IdempotencyKey, idempotent } from "../../http/middleware/idempotency.ts"
import { jsonBody } from "../../http/middleware/json-body.ts"
import { operation } from "../../http/operation.ts"
import { createRouter } from "../../http/router.ts"
import { refusals } from "../problems.ts"
import { AppPath } from "../wire.ts"
import { SessionId } from "./portal-access.ts"

const MAX_SESSIONS = 100
const MAX_DELAY_SECONDS = 3 * 24 * 3600

const ApplicationTokenExpireIn = z
  .object({
    expiry: z
      .number()
      .int()
      .min(0)
      .max(MAX_DELAY_SECONDS)
      .nullish()
      .openapi({ description: "In how many seconds they end; at once if not given" }),
    sessionIds: z.array(SessionId).max(MAX_SESSIONS).nullish().openapi({
      uniqueItems: true,
      description: "Only tokens that were made with one of these session ids; all of them if there is none",
    }),
  })
  .openapi("ApplicationTokenExpireIn", { example: { expiry: 60, sessionIds: ["user_1017"] } })

export const expireAll = createRouter()

expireAll.openapi(
  operation({
    operationId: "v1.authentication.expire-all",
    tags: ["Authentication"],
    summary: "End the tokens that an application has by now",
    description:
      "All of them, or those of some sessions; tokens that are made later are none of these. While an earlier call has not had its effect yet, the sooner of the two ends holds.",
    method: "post",
    path: "/api/v1/auth/app/{app_id}/expire-all",
    middleware: [jsonBody()],
    request: {
      params: AppPath,
      headers: IdempotencyKey,
      body: { required: true, content: { "application/json": { schema: ApplicationTokenExpireIn } } },
    },
    responses: { 204: { description: "Ended, or about to end" }, ...refusals(413) },
  }),
  async (c) => {
    const { application, deps } = c.var
    const { expiry, sessionIds } = c.req.valid("json")
    await idempotent(
      c,
      { applicationId: CATALOG, ids: async () => [application.id] },
      (remember: Remember<null> | undefined) =>
        endTokens(deps, {
          applicationId: application.id,
          sessionIds: [...new Set(sessionIds)],
          afterMs: (expiry ?? 0) * 1000,
          remember,
        }),
      () => ({ status: 204, body: null }),
    )
    return c.body(null, 204)
  },
)
