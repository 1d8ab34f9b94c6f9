import { sql } from "drizzle-orm"

import { type Batch, type Db, MovingError, type Patience, type Results } from "./client.ts"
import { isMade } from "./ids.ts"

/** What the directory knows of an application that lives in some shard. */
export interface Resident {
  id: string
  uid: string | null
  throttleRate: number | null
  shard: number
}

/**
 * The databases of a deployment and who lives where. The directory knows every application, its shard, the
 * catalog's event types and the revoked tokens; a shard holds what applications own. Shard 0 is the
 * directory's own database, and in a small deployment the only one there is.
 */
export interface Layout {
  directory: Db
  /** By number; for work that belongs to no application. */
  shards: readonly Db[]
  residents: Residents
  /**
   * The shard in which the application lives. It has been looked up before; the built-in ones are in the
   * first. Its batches throw a `MovingError`, and write nothing, while the application is moving to another
   * shard, and from then on.
   */
  shardOf(applicationId: string): Db
}

/** The applications that an invocation has met, and where new ones go. */
export class Residents {
  private readonly met = new Map<string, Resident>()

  constructor(private readonly shards: number) {}

  /** Notes where an application lives, as the directory has answered. */
  note(resident: Resident): void {
    this.met.set(resident.id, resident)
  }

  get(applicationId: string): Resident | undefined {
    return this.met.get(applicationId)
  }

  /**
   * The shard of a new application: the first is left to the directory and the built-in applications as soon
   * as there are others, and those take turns by the last digits of the id, which are random.
   */
  placeOf(applicationId: string): number {
    if (this.shards === 1) return 0
    return 1 + (Number.parseInt(applicationId.slice(-6), 16) % (this.shards - 1))
  }
}

/** The layout of these databases, shard after shard. */
export function layOut(shards: readonly Db[]): Layout {
  const [directory] = shards
  if (!directory) throw new Error("a deployment has one database at least")
  const residents = new Residents(shards.length)
  return {
    directory,
    shards,
    residents,
    shardOf(applicationId) {
      if (shards.length === 1 || !isMade("application", applicationId)) return directory
      const shard = shards[residents.get(applicationId)?.shard ?? -1]
      if (!shard) throw new Error(`nobody has asked the directory where ${applicationId} lives`)
      return fenced(shard, applicationId)
    },
  }
}

/**
 * What SQLite says of a path that is none is the only refusal that a statement which writes nothing can have.
 */
const FENCE = "this application is moving"

/**
 * The database with a fence in front of every batch: whether the application lives here is asked in the batch
 * of the write itself, since the directory's answer may be outdated by then.
 */
function fenced(db: Db, applicationId: string): Db {
  const fence = sql`
    SELECT json_extract('{}', ${FENCE} || a.id) FROM applications a
    WHERE a.id = ${applicationId} AND (a.shard <> ${db.shard} OR a.moving_to IS NOT NULL)`
  async function batch<const B extends Batch>(statements: B, patience?: Patience): Promise<Results<B>> {
    try {
      return await db.batch({ fence, ...statements }, patience)
    } catch (error) {
      throw String(error).includes(FENCE) ? new MovingError() : error
    }
  }
  return { ...db, batch }
}
