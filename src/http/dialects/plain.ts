import { z } from "@hono/zod-openapi"

import { wholeOf } from "../problem.ts"
import { refusalsIn } from "../refusals.ts"
import type { Dialect } from "../router.ts"

/** The shape of everything that has no contract of its own, and of A. */
export const plainDialect: Dialect = (c, problem) => {
  const { issues, headers = {} } = problem.extra
  for (const [name, value] of Object.entries(headers)) c.header(name, value)
  if (problem.status === 422) return c.json({ detail: issues ?? [wholeOf(problem)] }, 422)
  return c.json(
    problem.code === null ? { detail: problem.detail } : { code: problem.code, detail: problem.detail },
    problem.status,
  )
}

const Refused = z
  .object({ code: z.string().optional(), detail: z.string() })
  .openapi("Error", { example: { code: "unauthorized", detail: "Send `Authorization: Bearer <API_TOKEN>`" } })

const InvalidInput = z
  .object({
    detail: z.array(
      z.object({ loc: z.array(z.union([z.string(), z.number()])), msg: z.string(), type: z.string() }),
    ),
  })
  .openapi("InvalidInput", {
    example: { detail: [{ loc: ["body", "url"], msg: "Field required", type: "missing" }] },
  })

/** Entries for `responses`: the given error statuses and those that every route can answer. */
export const problems = refusalsIn({
  schema: Refused,
  always: [401, 403, 421, 500, 503, 508],
  meanings: {
    400: { example: { detail: "Username already exists" } },
    404: { example: { code: "not_found", detail: "Invoice not found" } },
    409: { example: { code: "conflict", detail: "The invoice is paid already" } },
  },
  say: (example) => example,
})

/** The entry for `responses` of a route that takes input. */
export const invalid = {
  422: {
    description: "The input does not fit; each entry says where and what to change",
    content: {
      "application/json": {
        schema: InvalidInput,
        example: { detail: [{ loc: ["body", "url"], msg: "Field required", type: "missing" }] },
      },
    },
  },
} as const
