import { z } from "@hono/zod-openapi"
import { getSecret, rotateSecret } from "../../engine/endpoints/secrets.ts"
import type { Remember } from "../../engine/kit/idempotency.ts"
import { shownSecret } from "../../engine/rules/secret.ts"
import { inWords } from "../../http/in-words.ts"
import { IdempotencyKey, idempotent } from "../../http/middleware/idempotency.ts"
import { jsonBody } from "../../http/middleware/json-body.ts"
import { operation } from "../../http/operation.ts"
import { Problem } from "../../http/problem.ts"
import { createRouter } from "../../http/router.ts"
import { refusals } from "../problems.ts"
import { subjectOf } from "../subject.ts"
import { EndpointPath } from "../wire.ts"
import { Secret } from "./wire.ts"

const tags = ["Endpoint"]
const path = "/api/v1/app/{app_id}/endpoint/{endpoint_id}/secret"
const DAY_SECONDS = 24 * 3600

const EndpointSecretOut = z
  .object({
    key: z.string().openapi({
      description:
        "What a receiver verifies with: the secret, or of an Ed25519 key the public half (`whpk_`), whoever asks. Whoever gave us the private half has it; it is not shown again",
    }),
  })
  .openapi("EndpointSecretOut", { example: { key: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" } })

const EndpointSecretRotateIn = z
  .object({
    key: Secret.default(null),
    gracePeriodSeconds: z
      .number()
      .int()
      .min(0)
      .max(7 * DAY_SECONDS)
      .nullish()
      .default(DAY_SECONDS)
      .openapi({ description: "How long the secret until now signs along" }),
  })
  .openapi("EndpointSecretRotateIn", { example: { gracePeriodSeconds: DAY_SECONDS } })

export const endpointSecrets = createRouter()

endpointSecrets.openapi(
  operation({
    operationId: "v1.endpoint.get-secret",
    access: "application",
    needs: "ViewEndpointSecret",
    tags,
    summary: "Get the secret that signs an endpoint's deliveries",
    method: "get",
    path,
    request: { params: EndpointPath },
    responses: {
      200: { description: "The secret", content: { "application/json": { schema: EndpointSecretOut } } },
      ...refusals(),
    },
  }),
  async (c) => {
    const { endpoint_id } = c.req.valid("param")
    const { application } = c.var
    const secret = await getSecret(c.var.deps, application.id, endpoint_id)
    return c.json(toWire(secret), 200)
  },
)

endpointSecrets.openapi(
  operation({
    operationId: "v1.endpoint.rotate-secret",
    access: "application",
    needs: "ManageEndpointSecret",
    tags,
    summary: "Give an endpoint a new secret",
    description:
      "The secret until now signs along for its grace, so that receivers can change over; at most ten old ones do.",
    method: "post",
    path: `${path}/rotate`,
    middleware: [jsonBody()],
    request: {
      params: EndpointPath,
      headers: IdempotencyKey,
      body: { required: true, content: { "application/json": { schema: EndpointSecretRotateIn } } },
    },
    responses: {
      200: { description: "The new secret", content: { "application/json": { schema: EndpointSecretOut } } },
      204: { description: "Rotated; what Svix's clients of version 1 get" },
      ...refusals(400, 413),
    },
  }),
  async (c) => {
    const { deps } = c.var
    const { endpoint_id: endpoint } = c.req.valid("param")
    const { id: applicationId } = c.var.application
    const { key, gracePeriodSeconds } = c.req.valid("json")
    const graceMs = (gracePeriodSeconds ?? DAY_SECONDS) * 1000
    const { body } = await idempotent(
      c,
      subjectOf(deps, applicationId, endpoint),
      (remember: Remember<string> | undefined) =>
        inWords(
          { limit_reached: (sentence) => new Problem(400, "limit_reached", sentence) },
          rotateSecret(deps, { applicationId, endpoint, secret: key ?? null, graceMs }, remember),
        ),
      (secret) => ({ status: 200, body: toWire(secret) }),
    )
    return expectsNoBody(c.req.header("user-agent")) ? c.body(null, 204) : c.json(body, 200)
  },
)

/**
 * Svix's document still says 204 here, and version 1 of its clients was made from it: those for Java, Kotlin
 * and C# throw at any body, when the secret is rotated already. Version 2 throws where there is none.
 */
function expectsNoBody(userAgent = ""): boolean {
  return userAgent.startsWith("svix-libs/1.")
}

function toWire(secret: string): z.infer<typeof EndpointSecretOut> {
  return { key: shownSecret(secret) }
}
