import createClient, { type FetchResponse, type Middleware } from "openapi-fetch"

import { endSession, token } from "../session/state.ts"
import { problemOf, unreachable } from "./problem.ts"
import type { components, paths } from "./schema.d.ts"

/** The shapes of the API's document by their names. */
export type Schemas = components["schemas"]

const withToken: Middleware = {
  onRequest({ request }) {
    if (token.value !== null) request.headers.set("authorization", `Bearer ${token.value}`)
    return request
  },
}

/** Every operation of the document, typed: `api.GET("/api/v1/app", …)`. What it answers goes through `ask`. */
export const api = createClient<paths>({
  baseUrl: location.origin,
  querySerializer: { array: { style: "form", explode: true } },
})
api.use(withToken)

/**
 * What an operation answers. Throws a Problem in words if it is refused or nobody answers; a token that is no longer
 * taken ends the session.
 */
export async function ask<
  Operation extends Record<string | number, unknown>,
  Options,
  Media extends `${string}/${string}`,
>(call: Promise<FetchResponse<Operation, Options, Media>>) {
  return (await answerOf(call)).data
}

/** As `ask`, of a list of the families: what it answers, and the cursor of the next page that its Link header leads to. */
export async function askPage<
  Operation extends Record<string | number, unknown>,
  Options,
  Media extends `${string}/${string}`,
>(call: Promise<FetchResponse<Operation, Options, Media>>) {
  const { data, response } = await answerOf(call)
  const next = /<([^>]+)>; rel="next"/.exec(response.headers.get("link") ?? "")?.[1]
  return { data, iterator: next ? new URL(next).searchParams.get("cursor") : null, done: next === undefined }
}

async function answerOf<
  Operation extends Record<string | number, unknown>,
  Options,
  Media extends `${string}/${string}`,
>(call: Promise<FetchResponse<Operation, Options, Media>>) {
  const { data, error, response } = await call.catch((fault: unknown) => {
    throw fault instanceof DOMException ? fault : unreachable()
  })
  if (response.ok) return { data: data as NonNullable<typeof data>, response }
  if (response.status === 401)
    endSession("The token is not taken any more: it has expired, or was logged out.")
  throw problemOf(response.status, error)
}
