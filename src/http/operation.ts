import { createRoute, type RouteConfig } from "@hono/zod-openapi"
import type { MiddlewareHandler } from "hono"

import { findApplication } from "../engine/applications/application.ts"
import { notFound } from "../engine/kit/errors.ts"
import { type Capability, usualFor } from "./capabilities.ts"
import { type Access, access, outOfReach } from "./middleware/access.ts"
import type { AppEnv } from "./router.ts"

interface Rules {
  /** The operator's, unless it says otherwise. */
  access?: Access
  /** What the token of an application needs for it: unless it says otherwise, as `usualFor` the method. */
  needs?: Capability
  /** Whether the request may make the application that its path names: then nobody loads it beforehand. */
  makesApplication?: boolean
}

/**
 * One operation of an API, declared in one place: its schemas, its document, who may call it. An
 * operation in an application (`{app_id}` in its path) finds it in `c.var.application`, loaded once
 * and known to be in reach.
 */
export function operation<
  Path extends string,
  Route extends Omit<RouteConfig, "path"> & { path: Path } & Rules,
>(declared: Route): ReturnType<typeof createRoute<Path, Route>> {
  const {
    access: who = "operator",
    needs = usualFor(declared.method),
    makesApplication = false,
    ...route
  } = declared
  const loads = route.path.includes("{app_id}") && !makesApplication
  return createRoute({
    ...route,
    ...(who === "anybody" ? { security: [] } : {}),
    ...(who === "application" ? { description: describe(route.description, needs) } : {}),
    middleware: [access(who, needs), ...(loads ? [loadApplication] : []), ...[route.middleware ?? []].flat()],
  } as unknown as Route)
}

/** The description with what a portal's token needs, where that is more than every token has. */
function describe(description: string | undefined, needs: Capability): string | undefined {
  if (needs === "ViewBase") return description
  const sentence = `The token of an application needs \`${needs}\`.`
  return description === undefined ? sentence : `${description} ${sentence}`
}

/**
 * Finds the application of the path by id or uid. Any other than its token's is out of reach,
 * if there is one or not.
 */
const loadApplication: MiddlewareHandler<AppEnv> = async (c, next) => {
  const { deps, principal } = c.var
  const application = await findApplication(deps, c.req.param("app_id") ?? "")
  if (principal.kind === "application" && application?.id !== principal.token.applicationId)
    throw outOfReach()
  if (!application) throw notFound("Application")
  c.set("application", application)
  await next()
}
