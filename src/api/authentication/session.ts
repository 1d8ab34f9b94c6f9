import { z } from "@hono/zod-openapi"
import type { Context } from "hono"
import { findApplication } from "../../engine/applications/application.ts"
import { revokeToken } from "../../engine/applications/tokens.ts"
import { notFound } from "../../engine/kit/errors.ts"
import { CAPABILITIES } from "../../http/capabilities.ts"
import { IdempotencyKey } from "../../http/middleware/idempotency.ts"
import { operation } from "../../http/operation.ts"
import { Problem } from "../../http/problem.ts"
import { type AppEnv, createRouter } from "../../http/router.ts"
import { refusals } from "../problems.ts"
import { toTime } from "../wire.ts"
import { AppPortalCapability } from "./portal-access.ts"

const SessionOut = z
  .object({
    kind: z.enum(["operator", "application"]),
    authMode: z
      .enum(["open", "token"])
      .openapi({ description: "open: whoever sends no token is the operator" }),
    application: z
      .object({ id: z.string(), uid: z.string().nullable(), name: z.string() })
      .nullable()
      .openapi({ description: "The one that the token reaches; null: all of them" }),
    capabilities: z
      .array(AppPortalCapability)
      .openapi({ description: "With those that others include; the operator has all of them" }),
    featureFlags: z
      .array(z.string())
      .nullable()
      .openapi({ description: "Event types behind these are shown; null: all event types are" }),
    sessionId: z.string().nullable(),
    expiresAt: z.iso.datetime().nullable().openapi({ description: "Null: this token has no end" }),
  })
  .openapi("SessionOut")

export const session = createRouter()

session.openapi(
  operation({
    operationId: "v1.authentication.session",
    access: "application",
    tags: ["Authentication"],
    summary: "Tell who asks, and what they may do",
    description: "An operation of our own, for pages.",
    method: "get",
    path: "/api/v1/auth/session",
    responses: {
      200: { description: "Who asks", content: { "application/json": { schema: SessionOut } } },
      ...refusals(),
    },
  }),
  async (c) => c.json(await sessionOf(c), 200),
)

session.openapi(
  operation({
    operationId: "logout_api_v1_auth_logout__post",
    access: "application",
    needs: "ViewBase",
    tags: ["Authentication"],
    summary: "End an application's token before its time",
    description: "The token that the request is sent with; an API token cannot be ended here.",
    method: "post",
    path: "/api/v1/auth/logout",
    request: { headers: IdempotencyKey },
    responses: { 204: { description: "Ended" }, ...refusals() },
  }),
  async (c) => {
    const { principal, deps } = c.var
    if (principal.kind === "operator") {
      throw new Problem(403, "authorization", "Only the token of an application can be logged out")
    }
    // Repeated with the same key it is refused at the door: the token is no more.
    await revokeToken(deps, principal.token)
    return c.body(null, 204)
  },
)

async function sessionOf(c: Context<AppEnv>): Promise<z.infer<typeof SessionOut>> {
  const { principal, deps } = c.var
  const { kind } = principal
  const { authMode } = deps.config
  if (kind === "operator") {
    const unbound = { application: null, featureFlags: null, sessionId: null, expiresAt: null }
    return { kind, authMode, capabilities: [...CAPABILITIES], ...unbound }
  }
  const { applicationId, capabilities, featureFlags, sessionId, expiresAt } = principal.token
  const application = await findApplication(deps, applicationId)
  if (!application) throw notFound("Application")
  const { id, uid, name } = application
  return {
    kind,
    authMode,
    application: { id, uid, name },
    capabilities: [...capabilities],
    featureFlags: [...featureFlags],
    sessionId,
    expiresAt: toTime(expiresAt),
  }
}
