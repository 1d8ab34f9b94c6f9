import { z } from "@hono/zod-openapi"

import { isContentType } from "../../engine/rules/headers.ts"
import { keyed } from "../../http/keyed.ts"
import { rawMember } from "../../http/raw-json.ts"

/** Another name of a message's `payload`. */
export const PAYLOAD_ALIAS = "data"

const CONTENT_TYPE = "content-type"

const ContentHeaders = keyed(z.string()).superRefine((headers, context) => {
  const refuse = (name: string, message: string) =>
    context.addIssue({ code: "custom", path: [name], message, input: headers[name] })
  const types = new Set<string>()
  for (const [name, value] of Object.entries(headers)) {
    if (name.toLowerCase() !== CONTENT_TYPE) refuse(name, "is not supported: content-type alone can be set")
    else if (!isContentType(value)) refuse(name, "must be a media type, such as text/plain; charset=utf-8")
    else if (types.add(value).size > 1) refuse(name, "is given twice, with different values")
  }
})

/** How Svix's clients send a text as it is in place of the JSON in `payload`. */
export const RawContent = z
  .object({
    rawPayload: z.string().nullish().openapi({
      description: "Delivered as it is, whatever text it is, in place of `payload`",
    }),
    headers: ContentHeaders.nullish().openapi({
      type: "object",
      additionalProperties: { type: "string" },
      description: "`content-type` alone: the delivery's, in place of application/json",
    }),
  })
  .openapi("RawContent", { description: "What else is in here is for transformations, and has no effect" })

/** What a request to send a message gives to deliver: the exact text, and what it is if it is not JSON. */
export function contentOf(
  requestBody: string,
  raw: z.infer<typeof RawContent> | null | undefined,
): { payload: string; contentType: string | null } {
  const [, contentType = null] =
    Object.entries(raw?.headers ?? {}).find(([name]) => name.toLowerCase() === CONTENT_TYPE) ?? []
  return { payload: raw?.rawPayload ?? payloadMember(requestBody), contentType }
}

/** The payload as it stands in the request; null under one of its names is as good as nothing. */
function payloadMember(requestBody: string): string {
  const payload = rawMember(requestBody, "payload")
  return (payload === null || payload === "null" ? rawMember(requestBody, PAYLOAD_ALIAS) : payload) ?? ""
}
