import { expect } from "vitest"
import type { Deps } from "../../src/platform/deps.ts"
import { attemptsOf, deliveryOf } from "./read.ts"
import { createWorld, ORIGIN, openConfig, type World } from "./world.ts"

export const TOKEN = "token-Zm9vYmFyYmF6-first"

export const SECOND = "token-cXV4cXV1eC4u-second"

export const KEY = btoa("k".repeat(32))

export const AUTHORIZED = { authorization: `Bearer ${TOKEN}` }

export const OPEN_PATHS = [
  "/",
  "/dashboard/*",
  "/health",
  "/docs",
  "/openapi.json",
  "/api/v1/health",
  "/api/v1/health/ping",
]

export function tokenWorld(settings: Record<string, string> = {}) {
  return createWorld({
    AUTH_MODE: "token",
    API_TOKEN: `${TOKEN},${SECOND}`,
    ENCRYPTION_KEY: KEY,
    ALLOW_PRIVATE_TARGETS: "false",
    ...settings,
  })
}

/** A request to exactly this URL: `world.fetch` would read //users as a host. */
export function send(world: World, url: string, init: RequestInit = {}): Promise<Response> {
  return Promise.resolve(world.app.request(url.startsWith("/") ? ORIGIN + url : url, init, world.env))
}

export interface Route {
  method: string
  path: string
  /** A body that the route takes, from the document's example. */
  body: string | undefined
}

export interface Document {
  paths: Record<string, Record<string, { requestBody?: { content?: Record<string, { schema?: Schema }> } }>>
  components: { schemas: Record<string, Schema> }
}

export type Schema = { $ref?: string; example?: unknown }

/** Every operation of the OpenAPI document, and every route of the app that is not in it. */
export async function routesOf(world: World): Promise<Route[]> {
  const document = await (await world.fetch("/openapi.json")).json<Document>()
  const documented = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]): Route => {
      const schema = operation.requestBody?.content?.["application/json"]?.schema
      const example = schema?.$ref ? document.components.schemas[schema.$ref.split("/").at(-1) ?? ""] : schema
      return {
        method: method.toUpperCase(),
        path: path.replace(/\{[^}]*\}/g, "x1"),
        body: example?.example === undefined ? undefined : JSON.stringify(example.example),
      }
    }),
  )
  const known = new Set(documented.map(({ method, path }) => `${method} ${path}`))
  const others = world.app.routes
    .filter(({ method }) => method !== "ALL")
    .map(({ method, path }): Route => ({ method, path: path.replace(/:[^/]+/g, "x1"), body: undefined }))
    .filter(({ method, path }) => !known.has(`${method} ${path}`))
  return [...documented, ...others]
}

export async function closedRoutes(world: World): Promise<Route[]> {
  const all = await routesOf(world)
  const routes = all.filter(({ path }) => !OPEN_PATHS.includes(path))
  // Whatever is not named as open is closed: a list that has lost routes would prove nothing.
  expect(new Set(all.map(({ path }) => path)).size - new Set(routes.map(({ path }) => path)).size).toBe(
    OPEN_PATHS.length,
  )
  return routes
}

export function call(
  world: World,
  { method, path, body }: Route,
  headers: Record<string, string>,
  query = "",
) {
  return send(world, path + query, {
    method,
    headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
    ...(body === undefined ? {} : { body }),
  })
}

/** The body of a refusal in the shape of the family that owns the path. */
export async function expectShape(path: string, response: Response): Promise<void> {
  if (/^\/(un)?register$/.test(path)) {
    expect(response.headers.get("content-type")).toMatch(/^text\/plain/)
    expect(await response.text()).not.toBe("")
    return
  }
  const body = await response.json()
  if (/^\/(event_type|webhook\/register|upload_file|uploads)\b/.test(path)) {
    expect(body).toEqual({ message: expect.any(String), data: {}, error: true })
    return
  }
  const hint = path.startsWith("/api/v1/") && response.status === 401 ? { hint: expect.any(String) } : {}
  expect(body).toEqual({ code: expect.any(String), detail: expect.any(String), ...hint })
}

export function register(
  world: World,
  url: string,
  origin = ORIGIN,
  headers: Record<string, string> = AUTHORIZED,
) {
  return send(world, `${origin}/webhook`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ event: "user_registered", url }),
  })
}

export async function expectRefusedTarget(world: World, url: string, origin = ORIGIN): Promise<void> {
  const before = await world.everything()
  const response = await register(world, url, origin)
  expect([url, response.status]).toEqual([url, 422])
  const { detail } = await response.json<{ detail: { loc: string[]; msg: string }[] }>()
  expect(detail[0]?.loc).toEqual(["body", "url"])
  expect(detail[0]?.msg).toMatch(/\w{3}/)
  expect(await world.everything()).toBe(before)
}

/** The same system after its settings have changed. */
export function withSettings(world: World, settings: Record<string, string>): Deps {
  return { ...world.deps, config: openConfig(settings) }
}

/** Status and reason of the event's one delivery, and the error of its last attempt. */
export async function outcomeOf(world: World, eventId: string): Promise<(string | null | undefined)[]> {
  const attempts = await attemptsOf(world, eventId)
  const last = attempts.at(-1)
  const delivery = await deliveryOf(world, eventId, last?.endpointId ?? "")
  return [delivery.status, delivery.reason, last?.error]
}
