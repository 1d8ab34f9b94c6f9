import { z } from "@hono/zod-openapi"
import type { Context } from "hono"
import { findApplication } from "../../engine/applications/application.ts"
import { CATALOG } from "../../engine/applications/built-in.ts"
import { findTokenOwner, revokeToken } from "../../engine/applications/tokens.ts"
import { IdempotencyKey, idempotent } from "../../http/middleware/idempotency.ts"
import { jsonBody } from "../../http/middleware/json-body.ts"
import { operation } from "../../http/operation.ts"
import { Problem } from "../../http/problem.ts"
import { type AppEnv, createRouter } from "../../http/router.ts"
import { issueToken, readToken } from "../../http/tokens.ts"
import type { Deps } from "../../platform/deps.ts"
import { getOrCreateApplication } from "../application/along.ts"
import { ApplicationIn } from "../application/application.ts"
import { input } from "../input.ts"
import { refusals } from "../problems.ts"
import { AppPath, FeatureFlag } from "../wire.ts"

const MAX_FLAGS = 100
/** They stand in the token, and a token in a header. */
const MAX_FLAGS_CHARS = 4096

const MIN_EXPIRY_SECONDS = 3600
const MAX_EXPIRY_SECONDS = 7 * 24 * 3600

const AppPortalAccessFields = z
  .object({
    application: ApplicationIn.nullish().openapi({
      description: "Made if it is missing; its uid is the path's",
    }),
    featureFlags: z
      .array(FeatureFlag)
      .max(MAX_FLAGS)
      .refine(
        (flags) => flags.join("").length <= MAX_FLAGS_CHARS,
        `must have at most ${MAX_FLAGS_CHARS} characters together`,
      )
      .optional()
      .openapi({ uniqueItems: true, description: "Event types behind these flags are shown to the token" }),
    expiry: z
      .number()
      .int()
      .min(MIN_EXPIRY_SECONDS)
      .max(MAX_EXPIRY_SECONDS)
      .nullish()
      .openapi({ description: "For how many seconds the token lasts; 7 days if not given" }),
  })
  .openapi("AppPortalAccessIn")

const AppPortalAccessIn = input(AppPortalAccessFields, {
  // A token may do all that an application's may, and is ended by itself alone.
  unsupported: { readOnly: false, capabilities: null, sessionId: null, sessionIds: null },
})

const AppPortalAccessOut = z
  .object({
    token: z.string().openapi({ description: "Reaches this application alone" }),
    url: z.url().openapi({ description: "A page that is opened with the token" }),
  })
  .openapi("AppPortalAccessOut")

export const authentication = createRouter()

authentication.openapi(
  operation({
    operationId: "v1.authentication.app-portal-access",
    makesApplication: true,
    tags: ["Authentication"],
    summary: "Make a token that reaches one application",
    description:
      "For whoever that application stands for: lists of applications, other applications and sending messages stay out of its reach. An application that is missing is created if it is given along.",
    method: "post",
    path: "/api/v1/auth/app-portal-access/{app_id}",
    middleware: [jsonBody()],
    request: {
      params: AppPath,
      headers: IdempotencyKey,
      body: { required: true, content: { "application/json": { schema: AppPortalAccessIn } } },
    },
    responses: {
      200: { description: "The token", content: { "application/json": { schema: AppPortalAccessOut } } },
      ...refusals(413, 507),
    },
  }),
  async (c) => c.json(await grantAccess(c, c.req.valid("param").app_id, c.req.valid("json")), 200),
)

authentication.openapi(
  operation({
    operationId: "v1.authentication.dashboard-access",
    deprecated: true,
    makesApplication: true,
    tags: ["Authentication"],
    summary: "As app-portal-access, under its older name",
    method: "post",
    path: "/api/v1/auth/dashboard-access/{app_id}",
    middleware: [jsonBody({ emptyIs: "{}" })],
    request: {
      params: AppPath,
      headers: IdempotencyKey,
      body: { required: false, content: { "application/json": { schema: AppPortalAccessIn } } },
    },
    responses: {
      200: { description: "The token", content: { "application/json": { schema: AppPortalAccessOut } } },
      ...refusals(413, 507),
    },
  }),
  async (c) => c.json(await grantAccess(c, c.req.valid("param").app_id, c.req.valid("json")), 200),
)

authentication.openapi(
  operation({
    operationId: "logout_api_v1_auth_logout__post",
    access: "application",
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

async function grantAccess(
  c: Context<AppEnv>,
  idOrUid: string,
  { application: missing, featureFlags = [], expiry }: z.infer<typeof AppPortalAccessIn>,
): Promise<z.infer<typeof AppPortalAccessOut>> {
  const { deps } = c.var
  const lifetimeMs = (expiry ?? MAX_EXPIRY_SECONDS) * 1000
  const { body } = await idempotent(
    c,
    { applicationId: CATALOG, ids: async () => [(await findApplication(deps, idOrUid))?.id ?? ""] },
    async () => {
      const application = await getOrCreateApplication(deps, idOrUid, missing)
      return issueToken(deps, application.id, { featureFlags: [...new Set(featureFlags)], lifetimeMs })
    },
    (token: string) => ({
      status: 200,
      body: { token, url: portalUrl(c.req.url, deps.config.publicUrl, token) },
    }),
    // One that was logged out, has expired or whose application is gone is not handed out again.
    ({ token }) => isAlive(deps, token),
  )
  return body
}

async function isAlive(deps: Deps, text: string): Promise<boolean> {
  const token = await readToken(deps, text)
  return token !== null && (await findTokenOwner(deps, token)) !== null
}

/** The token stands behind the `#`, which browsers do not send and servers do not log. */
function portalUrl(requestUrl: string, publicUrl: string | null, token: string): string {
  const url = new URL("/dashboard", publicUrl ?? requestUrl)
  url.hash = `token=${token}`
  return url.href
}
