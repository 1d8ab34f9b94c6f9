import { type SQL, sql } from "drizzle-orm"

import { MovingError } from "../../db/client.ts"
import { newId } from "../../db/ids.ts"
import { applications } from "../../db/schema/applications.ts"
import { shapeOf } from "../../db/shape.ts"
import type { Deps } from "../../platform/deps.ts"
import { type Change, setOf } from "../kit/change.ts"
import { EngineError, notFound, orConflict } from "../kit/errors.ts"
import type { Remember } from "../kit/idempotency.ts"
import type { PageRequest } from "../kit/page.ts"
import { type ScannedPage, scanPage } from "../kit/scan.ts"
import { requireSpace } from "../upkeep/space.ts"
import { CATALOG, isBuiltIn } from "./built-in.ts"
import { copyApplication } from "./copies.ts"

export const UID_TAKEN = "Another application has this uid already"

export interface ApplicationSettings {
  uid: string | null
  name: string
  throttleRate: number | null
  metadata: Record<string, string>
}

export interface Application extends ApplicationSettings {
  id: string
  createdAt: number
  updatedAt: number
  /** The number of the shard that it lives in. */
  shard: number
  /** The shard that it is moving to: until it is there, nothing of it is written. */
  movingTo: number | null
}

const shape = shapeOf(
  applications,
  "id",
  "uid",
  "name",
  "throttleRate",
  "metadata",
  "createdAt",
  "updatedAt",
  "shard",
  "movingTo",
)

/** The condition on the application `a` that it is one for the world to see. */
export const isListed = sql`a.id <> ${CATALOG} AND a.removed_at IS NULL`

/** Selects the id of the application with this id or uid, listed or not. */
export function idOf(idOrUid: string): SQL {
  return sql`
    SELECT id FROM applications WHERE id = ${idOrUid}
    UNION ALL SELECT id FROM applications WHERE uid = ${idOrUid} LIMIT 1`
}

/** The application with this id or uid; refuses with `not_found`. */
export async function getApplication(deps: Deps, idOrUid: string): Promise<Application> {
  const found = await findApplication(deps, idOrUid)
  if (!found) throw notFound("Application")
  return found
}

/** The application with this id or uid; undefined if there is none. */
export async function findApplication(deps: Deps, idOrUid: string): Promise<Application | undefined> {
  const [row] = await deps.directory.read(sql`
    SELECT ${shape.columns("a")} FROM applications a
    WHERE (a.id = ${idOrUid} OR a.uid = ${idOrUid}) AND ${isListed} LIMIT 1`)
  if (!row) return undefined
  const application = shape.read(row)
  deps.residents.note(application)
  return application
}

/**
 * The applications in the order of their ids, a page at a time; it may be short of its limit. With `search`
 * those that have the text in their name, uid or id, whatever the case of ASCII letters.
 */
export async function listApplications(
  deps: Deps,
  request: PageRequest,
  { search }: { search?: string | undefined } = {},
): Promise<ScannedPage<Application>> {
  const page = await scanPage(deps.directory, request, {
    table: sql`applications a`,
    place: [sql`a.id`],
    owner: isListed,
    key: sql`a.id`,
    filter: search === undefined ? undefined : mentions(search),
    columns: shape.columns("a"),
    bytes: sql`octet_length(a.name) + octet_length(a.metadata)`,
  })
  return { ...page, rows: page.rows.map(shape.read) }
}

/** The condition on the application `a` that its names have the text in them. */
function mentions(search: string): SQL {
  return sql`instr(lower(a.name || char(10) || coalesce(a.uid, '') || char(10) || a.id), lower(${search})) > 0`
}

export interface CreatedApplication {
  application: Application
  created: boolean
}

/** The application that is made of these settings, not yet written. */
export function draftApplication(deps: Deps, settings: ApplicationSettings): Application {
  const now = deps.clock.now()
  const id = newId("application", now)
  const shard = deps.residents.placeOf(id)
  const draft = { ...settings, id, shard, movingTo: null, createdAt: now, updatedAt: now }
  deps.residents.note(draft)
  return draft
}

/** The statement that writes a new application if the condition holds and no other one has its uid. */
export function insertApplication(application: Application, onlyIf: SQL): SQL {
  const { id, uid, name, throttleRate, metadata, shard, createdAt } = application
  return sql`
    INSERT INTO applications (id, uid, name, throttle_rate, metadata, shard, created_at, updated_at)
    SELECT ${id}, ${uid}, ${name}, ${throttleRate}, ${JSON.stringify(metadata)}, ${shard}, ${createdAt},
      ${createdAt}
    WHERE ${onlyIf}
    ON CONFLICT DO NOTHING`
}

/**
 * Makes an application. If another one has its uid: answers that one with `getIfExists`, else refuses with
 * `conflict`. Refuses with `storage_full`, too.
 */
export async function createApplication(
  deps: Deps,
  settings: ApplicationSettings,
  options: { getIfExists?: boolean; remember?: Remember<CreatedApplication> | undefined } = {},
): Promise<CreatedApplication> {
  const { uid } = settings
  const { remember } = options
  await requireSpace(deps, CATALOG)
  const db = deps.directory
  const application = draftApplication(deps, settings)
  const made = sql`EXISTS (SELECT 1 FROM applications WHERE id = ${application.id})`
  const { exists } = await db.batch({
    inserted: insertApplication(application, sql`true`),
    exists: sql`SELECT 1 WHERE ${made}`,
    remembered: remember ? await remember({ application, created: true }, made) : null,
  })
  if (exists.length > 0) return { application, created: true }
  const other = uid !== null && options.getIfExists ? await findApplication(deps, uid) : undefined
  if (!other) throw new EngineError("conflict", UID_TAKEN)
  if (remember) await db.batch({ kept: await remember({ application: other, created: false }, sql`true`) })
  return { application: other, created: false }
}

/**
 * Changes what is named of an application. Refuses with `not_found`, `conflict` (uid) or `storage_full`,
 * and while it is moving.
 */
export async function changeApplication(
  deps: Deps,
  idOrUid: string,
  change: Change<ApplicationSettings>,
): Promise<Application> {
  const { id, uid, movingTo } = await getApplication(deps, idOrUid)
  if (movingTo !== null) throw new MovingError()
  if (isBuiltIn(id) && change.uid !== undefined && change.uid !== uid) {
    throw new EngineError("conflict", `The uid of this application is '${uid}' and stays so`)
  }
  await requireSpace(deps, CATALOG)
  const changed = setOf({
    uid: change.uid,
    name: change.name,
    throttle_rate: change.throttleRate,
    metadata: change.metadata && JSON.stringify(change.metadata),
    updated_at: deps.clock.now(),
  })
  await orConflict(
    deps.directory.batch({
      changed: sql`UPDATE applications ${changed} WHERE id = ${id} AND removed_at IS NULL`,
    }),
    { "applications.uid": UID_TAKEN },
  )
  const application = await getApplication(deps, id)
  const isCopied = change.uid !== undefined || change.throttleRate !== undefined
  if (isCopied) await deps.shardOf(id).batch({ copies: copyApplication(deps, id) })
  return application
}

/**
 * Gives the application these settings, or makes it if there is none of this id or uid. Without a uid it
 * keeps the one by which it is named here. Refuses with `conflict` (uid).
 */
export async function replaceApplication(
  deps: Deps,
  idOrUid: string,
  settings: Omit<ApplicationSettings, "uid"> & { uid?: string | null | undefined },
): Promise<CreatedApplication> {
  const current = await findApplication(deps, idOrUid)
  if (!current) {
    const { uid = isApplicationUid(idOrUid) ? idOrUid : null } = settings
    return createApplication(deps, { ...settings, uid })
  }
  const keeps = current.uid === idOrUid || isBuiltIn(current.id)
  const { uid = keeps ? current.uid : null } = settings
  return { application: await changeApplication(deps, current.id, { ...settings, uid }), created: false }
}

/** Whether a text may be the uid of an application: no id may ever be mistaken for one. */
export function isApplicationUid(text: string): boolean {
  return !text.startsWith("app_")
}
