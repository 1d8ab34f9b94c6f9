import type { Part } from "../family.ts"
import type { Dialect } from "../router.ts"
import { plainDialect } from "./plain.ts"

/** What a part says of the paths that are its own. */
interface Claim {
  dialect: Dialect
  /** The paths of its routes, segment by segment. */
  paths: readonly string[][]
  /** Paths under which all others are its own too. */
  roots: string[]
}

/**
 * Answers in which dialect a path's refusals are said: that of the part that has a route there, else of the
 * one that the path lies below. Routes with parameters claim what is below the segment that they begin with,
 * or all the segments that the part's routes have in common. Paths that are nobody's get the plain dialect.
 */
export function dialectsOf(parts: readonly Part[]): (path: string) => Dialect {
  const claims = parts.map(claimOf)
  return (path) => {
    const asked = segmentsOf(path)
    const found =
      claims.find(({ paths }) => paths.some((segments) => fits(segments, asked))) ??
      claims.find(({ roots }) => roots.some((root) => path === root || path.startsWith(`${root}/`)))
    return found?.dialect ?? plainDialect
  }
}

function claimOf({ router, dialect }: Part): Claim {
  const routes = [...new Set(router.routes.map(({ path }) => path))].map(segmentsOf)
  const shared = sharedBy(routes)
  const open = routes.filter((segments) => segments.some(isParameter))
  return {
    dialect,
    paths: routes,
    roots: open.map((segments) => `/${segments.slice(0, Math.max(shared, 1)).join("/")}`),
  }
}

/** With how many segments, none of them a parameter, all the routes begin. */
function sharedBy(routes: readonly (readonly string[])[]): number {
  const [first = []] = routes
  const differs = first.findIndex(
    (segment, at) => isParameter(segment) || routes.some((segments) => segments[at] !== segment),
  )
  return differs === -1 ? first.length : differs
}

function segmentsOf(path: string): string[] {
  return path.split("/").slice(1)
}

function fits(segments: readonly string[], asked: readonly string[]): boolean {
  return (
    segments.length === asked.length &&
    segments.every((segment, at) => segment === asked[at] || (isParameter(segment) && asked[at] !== ""))
  )
}

function isParameter(segment: string): boolean {
  return segment.startsWith(":")
}
