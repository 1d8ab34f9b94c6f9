import type { z } from "@hono/zod-openapi"

import type { Deps } from "../deps.ts"
import { type Application, createApplication, getApplication } from "../engine/applications.ts"
import { EngineError } from "../engine/errors.ts"
import { invalidInput } from "../http/problem.ts"
import { type ApplicationIn, toSettings } from "./applications.ts"

/** The application that a path names; if there is none, the one given along is made, which must have that uid. */
export async function getOrCreateApplication(
  deps: Deps,
  idOrUid: string,
  along: z.infer<typeof ApplicationIn> | null | undefined,
): Promise<Application> {
  try {
    return await getApplication(deps, idOrUid)
  } catch (error) {
    const missing = error instanceof EngineError && error.code === "not_found"
    if (!missing || !along) throw error
  }
  if (along.uid !== idOrUid) {
    const msg = "must be the uid that the path names"
    throw invalidInput([{ loc: ["body", "application", "uid"], msg, type: "application_uid_mismatch" }])
  }
  return (await createApplication(deps, toSettings(along), { getIfExists: true })).application
}
