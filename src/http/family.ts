import type { z } from "@hono/zod-openapi"

import type { JobKinds } from "../engine/jobs/job.ts"
import type { Upkeep } from "../engine/upkeep/contribution.ts"
import type { ActivitySource } from "../platform/activity.ts"
import type { Config, FamilyConfig } from "../platform/config.ts"
import type { Deps } from "../platform/deps.ts"
import type { Wire } from "../platform/wire.ts"
import type { Dialect, Router } from "./router.ts"

/** Routes, and the dialect in which all of them say that something went wrong. */
export interface Part {
  router: Router
  dialect: Dialect
}

/**
 * All that a family declares: its index.ts exports one, and a line in src/families.ts takes it up. Its
 * tables are in its schema.ts, which migrations are generated from.
 */
export interface Family {
  /** The application that it publishes in, which comes with the system: a migration of seeds makes it. */
  application?: string
  /** Made anew for each app. Unknown paths below a part's own are said in its dialect too. */
  parts(): readonly Part[]
  /** Its parts of the document, in the order in which people look for them. */
  tags?: readonly { name: string; description: string }[]
  jobs?: JobKinds
  /** What the sweep does for it, in the database of its application. */
  upkeep?: readonly Upkeep[]
  /** Reads settings of its own; README.md lists them for people. */
  settings?: z.ZodType<Partial<FamilyConfig>>
  /** The words in which the engine speaks to customers in its own name: one family has them. */
  wire?: Wire
  /**
   * Takes a delivery for a receiver that the family has in this very Worker; null: it is for somebody else.
   */
  receives?(deps: Deps, url: string, request: () => Request): Promise<Response | null>
  /** What happens in it beside events and their attempts, for the overview of all activity. */
  activity?: ActivitySource
  /** The most bytes that a body for it may have, where that is more than JSON has. */
  maxBodyBytes?(config: Config): number
}
