import { sql } from "drizzle-orm"

import { newId } from "../../db/ids.ts"
import type { Deps } from "../../platform/deps.ts"
import { CATALOG } from "../applications/built-in.ts"
import { matchedColumns, readMatched, readNamed, type Verdict } from "../deliveries/verdicts.ts"
import { endpointsOf } from "../endpoints/endpoint.ts"
import { hasRoomFor, tooManyTypes } from "../event-types/event-type.ts"
import { EngineError } from "../kit/errors.ts"
import type { PageRequest } from "../kit/page.ts"
import { type ScannedPage, scanPage } from "../kit/scan.ts"
import { type Mismatch, match } from "../rules/match.ts"
import { requireSpace } from "../upkeep/space.ts"
import { type FoundType, findType, isNewType, refuseUnfit } from "./check.ts"
import { refuseRival, refuseTooLarge } from "./insert.ts"
import type { NewEvent } from "./send.ts"

/** One endpoint, and why it would not get an event; null: it would. */
export interface Rehearsed {
  endpoint: Verdict["endpoint"]
  mismatch: Mismatch | null
}

/**
 * What `sendEvent` would do with an event now, and nothing is written: how it would refuse, if it would, and
 * a page of the application's endpoints, in the order of their ids, each with why it would not get the event.
 */
export async function rehearseEvent(
  deps: Deps,
  input: NewEvent,
  request: PageRequest,
): Promise<ScannedPage<Rehearsed> & { refusal: EngineError | null }> {
  const { applicationId, channels = null } = input
  const type = await findType(deps, applicationId, input.eventType)
  const event = { createdAt: deps.clock.now(), endpointId: null, channels }
  const page = await scanPage(deps.shardOf(applicationId), request, {
    ...endpointsOf(applicationId, { removed: true }),
    filter: sql`e.removed_at IS NULL`,
    columns: matchedColumns(sql`${type?.id ?? null}`),
  })
  return {
    ...page,
    rows: page.rows.map((row) => ({ endpoint: readNamed(row), mismatch: match(event, readMatched(row)) })),
    refusal: await refusalOf(deps, input, type),
  }
}

async function refusalOf(deps: Deps, input: NewEvent, type: FoundType | null): Promise<EngineError | null> {
  const { applicationId, uid = null } = input
  const key = { applicationId, eventId: newId("event", deps.clock.now()) }
  try {
    refuseUnfit(deps, input, type)
    refuseTooLarge(input.payload)
    await requireSpace(deps, applicationId)
    await refuseRival(deps.shardOf(applicationId), key, uid)
    if (isNewType(deps, input, type)) await refuseNewType(deps, input.eventType)
    return null
  } catch (error) {
    if (error instanceof EngineError) return error
    throw error
  }
}

async function refuseNewType(deps: Deps, name: string): Promise<void> {
  await requireSpace(deps, CATALOG)
  const room = await deps.directory.read(sql`SELECT 1 WHERE ${hasRoomFor(CATALOG, name)}`)
  if (room.length === 0) throw tooManyTypes()
}
