import { z } from "@hono/zod-openapi"
import type { Context } from "hono"
import { findApplication } from "../../engine/applications/application.ts"
import { CATALOG } from "../../engine/applications/built-in.ts"
import { findTokenOwner, MAX_TOKEN_LIFETIME_MS } from "../../engine/applications/tokens.ts"
import { CAPABILITIES, type Capability } from "../../http/capabilities.ts"
import { IdempotencyKey, idempotent } from "../../http/middleware/idempotency.ts"
import { jsonBody } from "../../http/middleware/json-body.ts"
import { operation } from "../../http/operation.ts"
import { type AppEnv, createRouter } from "../../http/router.ts"
import { type Grant, issueToken, readToken } from "../../http/tokens.ts"
import type { Deps } from "../../platform/deps.ts"
import { getOrCreateApplication } from "../application/get-or-create.ts"
import { ApplicationIn } from "../application/wire.ts"
import { input } from "../input.ts"
import { refusals } from "../problems.ts"
import { AppPath, FeatureFlag } from "../wire.ts"

const MAX_FLAGS = 100
/** They stand in the token, and a token in a header. */
const MAX_FLAGS_CHARS = 4096

const MIN_EXPIRY_SECONDS = 3600
const MAX_EXPIRY_SECONDS = MAX_TOKEN_LIFETIME_MS / 1000

/** Some clients may name one twice. */
const MAX_CAPABILITIES = 20

export const SessionId = z.string().min(1).max(256)

export const AppPortalCapability = z.enum(CAPABILITIES).openapi("AppPortalCapability")

const MEANINGS: Record<Capability, string> = {
  ViewBase: "read all but secrets (a list has it always)",
  ViewEndpointSecret: "see an endpoint's secret, and the values of its headers",
  ManageEndpointSecret: "rotate the secret, too",
  ManageTransformations: "nothing here, which has no transformations",
  CreateAttempts: "resend, recover, send examples",
  ManageEndpoint: "create, change and delete endpoints; includes the two about secrets",
}

const AppPortalAccessFields = z
  .object({
    application: ApplicationIn.nullish().openapi({
      description: "Made if it is missing; its uid is the path's",
    }),
    readOnly: z
      .boolean()
      .nullish()
      .openapi({ deprecated: true, description: "Short for the one capability `ViewBase`" }),
    capabilities: z
      .array(AppPortalCapability)
      .max(MAX_CAPABILITIES)
      .refine((named) => named.includes("ViewBase"), "must have ViewBase, whatever else it has")
      .nullish()
      .openapi({
        uniqueItems: true,
        description: `All of them if not given. ${Object.entries(MEANINGS)
          .map(([name, meaning]) => `\`${name}\`: ${meaning}`)
          .join("; ")}`,
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
    sessionId: SessionId.nullish().openapi({
      description: "The tokens of a session can be ended together, with `expire-all`",
    }),
  })
  .refine(({ readOnly, capabilities }) => !(readOnly && capabilities), {
    path: ["readOnly"],
    error: "is short for a list of capabilities: leave one of the two out",
  })
  .openapi("AppPortalAccessIn")

const AppPortalAccessIn = input(AppPortalAccessFields, {
  // A token is of one session.
  unsupported: { sessionIds: null },
})

const AppPortalAccessOut = z
  .object({
    token: z.string().openapi({ description: "Reaches this application alone" }),
    url: z.url().openapi({ description: "A page that is opened with the token" }),
  })
  .openapi("AppPortalAccessOut")

export const portalAccess = createRouter()

portalAccess.openapi(
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

portalAccess.openapi(
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

async function grantAccess(
  c: Context<AppEnv>,
  idOrUid: string,
  given: z.infer<typeof AppPortalAccessIn>,
): Promise<z.infer<typeof AppPortalAccessOut>> {
  const { deps } = c.var
  const { body } = await idempotent(
    c,
    { applicationId: CATALOG, ids: async () => [(await findApplication(deps, idOrUid))?.id ?? ""] },
    async () => {
      const application = await getOrCreateApplication(deps, idOrUid, given.application)
      return issueToken(deps, application.id, grantOf(given))
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

function grantOf(given: z.infer<typeof AppPortalAccessIn>): Grant {
  const { readOnly, capabilities, featureFlags = [], expiry, sessionId } = given
  return {
    capabilities: readOnly ? ["ViewBase"] : (capabilities ?? null),
    featureFlags: [...new Set(featureFlags)],
    sessionId: sessionId ?? null,
    lifetimeMs: (expiry ?? MAX_EXPIRY_SECONDS) * 1000,
  }
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
