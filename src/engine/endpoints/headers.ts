import { sql } from "drizzle-orm"

import type { Deps } from "../../platform/deps.ts"
import { endpointEvent, nudgeOperations } from "../events/operational.ts"
import { seal, unseal } from "../kit/encryption.ts"
import { EngineError } from "../kit/errors.ts"
import { checkCustomHeaders, isHeaderName } from "../rules/headers.ts"
import { requireSpace } from "../upkeep/space.ts"
import { getEndpoint } from "./endpoint.ts"

type Headers = Readonly<Record<string, string>>

const TRIES = 5

/**
 * The headers that are sent with each delivery to an endpoint, secrets among them; refuses with `not_found`.
 */
export async function getHeaders(deps: Deps, applicationId: string, idOrUid: string): Promise<Headers> {
  return (await readHeaders(deps, applicationId, idOrUid)).headers
}

/** Gives an endpoint these headers in place of what it has. Refuses with `not_found` or `invalid`. */
export function replaceHeaders(
  deps: Deps,
  applicationId: string,
  idOrUid: string,
  headers: Headers,
): Promise<void> {
  return rewrite(deps, applicationId, idOrUid, () => headers)
}

/**
 * Sets the headers that are named and takes away those named with null; upper and lower case make no
 * difference. Refuses with `not_found` or `invalid`.
 */
export async function changeHeaders(
  deps: Deps,
  applicationId: string,
  idOrUid: string,
  change: Readonly<Record<string, string | null>>,
): Promise<void> {
  const odd = Object.keys(change).find((name) => !isHeaderName(name))
  if (odd !== undefined)
    throw new EngineError("invalid", `${odd}: This is not the name of a header.`, "headers")
  const named = new Set(Object.keys(change).map((name) => name.toLowerCase()))
  await rewrite(deps, applicationId, idOrUid, (headers) => ({
    ...Object.fromEntries(Object.entries(headers).filter(([name]) => !named.has(name.toLowerCase()))),
    ...Object.fromEntries(
      Object.entries(change).flatMap(([name, value]) => (value === null ? [] : [[name, value]])),
    ),
  }))
}

/** Compares and sets: of two changes at once, the second starts over from what the first one left. */
async function rewrite(
  deps: Deps,
  applicationId: string,
  idOrUid: string,
  edit: (headers: Headers) => Headers,
): Promise<void> {
  for (let tries = 0; tries < TRIES; tries++) {
    const { id, sealed, headers } = await readHeaders(deps, applicationId, idOrUid)
    const edited = edit(headers)
    // Who registered with a content type of its own (C) may keep and change it.
    const ownContentType = Object.keys(headers).some((name) => name.toLowerCase() === "content-type")
    const checked = checkCustomHeaders(edited, { ownContentType })
    if (!checked.ok) throw new EngineError("invalid", `${checked.header}: ${checked.message}`, "headers")
    const empty = Object.keys(edited).length === 0
    const resealed = empty ? null : await seal(deps.config, JSON.stringify(edited))
    if ((resealed?.length ?? 0) > (sealed?.length ?? 0)) await requireSpace(deps, applicationId)
    const db = deps.shardOf(applicationId)
    const { done, operational } = await db.batch({
      written: sql`
        UPDATE endpoints SET headers = ${resealed}, updated_at = ${deps.clock.now()}
        WHERE id = ${id} AND headers IS ${sealed}`,
      done: sql`SELECT 1 FROM endpoints WHERE id = ${id} AND headers IS ${resealed}`,
      operational: endpointEvent(deps, db, "endpoint.updated", id, sql`e.headers IS ${resealed}`),
    })
    await nudgeOperations(deps, db, operational)
    if (done.length > 0) return
  }
  throw new EngineError("conflict", "Others keep changing these headers: try again")
}

async function readHeaders(deps: Deps, applicationId: string, idOrUid: string) {
  const { id } = await getEndpoint(deps, applicationId, idOrUid)
  const [row] = await deps.shardOf(applicationId).read(sql`SELECT headers FROM endpoints WHERE id = ${id}`)
  const sealed = (row?.headers ?? null) as string | null
  const headers: Headers = sealed === null ? {} : JSON.parse(await unseal(deps.config, sealed))
  return { id, sealed, headers }
}
