import type { Hono } from "hono"

import type { AppEnv } from "./router.ts"

/** The methods that some route of the app takes at this path, sorted; none: there is no such path. */
export function allowedMethods(app: Hono<AppEnv>, path: string): string[] {
  const methods = app.routes
    .filter((route) => route.method !== "ALL" && toPattern(route.path).test(path))
    .map((route) => route.method)
  if (methods.includes("GET")) methods.push("HEAD")
  return [...new Set(methods)].sort()
}

function toPattern(path: string): RegExp {
  const source = path.replace(/[.+*?^$()[\]\\|]/g, "\\$&").replace(/:[A-Za-z0-9_]+(\{[^}]*\})?/g, "[^/]+")
  return new RegExp(`^${source}$`)
}
