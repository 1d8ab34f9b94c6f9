import type { Client, FetchResponse } from "openapi-fetch"

import { endSession, token } from "../session/state.ts"
import { problemOf, unreachable } from "./problem.ts"
import type { components, paths } from "./schema.d.ts"

/** The shapes of the API's document by their names. */
export type Schemas = components["schemas"]

/** Every operation of the document, typed: `api.GET("/api/v1/app", …)`. What it answers goes through `ask`. */
export const api = {
  GET: call("GET"),
  POST: call("POST"),
  PATCH: call("PATCH"),
  PUT: call("PUT"),
  DELETE: call("DELETE"),
} as unknown as Client<paths>

/** What screens say of a question; openapi-fetch, whose types these are, takes much more, and much more room. */
interface Question {
  params?: {
    path?: Record<string, string>
    /** Empty texts are not sent: nothing was chosen. */
    query?: Record<string, unknown>
  }
  body?: unknown
  bodySerializer?: (body: unknown) => BodyInit
  parseAs?: "blob"
  signal?: AbortSignal
}

function call(method: string) {
  return async (path: string, { params = {}, body, bodySerializer, parseAs, signal }: Question = {}) => {
    const filled = path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(params.path?.[name] ?? ""))
    const url = new URL(filled, location.origin)
    for (const [name, values] of Object.entries(params.query ?? {})) {
      for (const value of [values].flat())
        if (value !== undefined && value !== "") url.searchParams.append(name, `${value}`)
    }
    const sent = token.value
    const response = await fetch(url, {
      method,
      headers: {
        ...(sent !== null && { authorization: `Bearer ${sent}` }),
        // Of a form the browser knows the type by itself.
        ...(body !== undefined && !bodySerializer && { "content-type": "application/json" }),
      },
      ...(body !== undefined && { body: bodySerializer ? bodySerializer(body) : JSON.stringify(body) }),
      ...(signal && { signal }),
    })
    // Somebody may have come by another link meanwhile.
    if (response.status === 401 && sent === token.value)
      endSession("The token is not taken any more: it has expired, or was logged out.")
    if (response.ok && parseAs === "blob") return { data: await response.blob(), response }
    const text = await response.text()
    return response.ok
      ? { data: text ? JSON.parse(text) : undefined, response }
      : { error: readError(text), response }
  }
}

/** What was refused is said in JSON, or in a plain sentence. */
function readError(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

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
  throw problemOf(response.status, error)
}
