import type { z } from "@hono/zod-openapi"
import {
  type Application,
  createApplication,
  draftApplication,
  findApplication,
} from "../../engine/applications/application.ts"
import { EngineError, notFound } from "../../engine/kit/errors.ts"
import { invalidInput } from "../../http/problem.ts"
import type { Deps } from "../../platform/deps.ts"
import { type ApplicationIn, toSettings } from "./application.ts"

type Along = z.infer<typeof ApplicationIn> | null | undefined

/**
 * The application that a path names; if there is none, the one given along is made, which must have that uid.
 */
export async function getOrCreateApplication(
  deps: Deps,
  idOrUid: string,
  along: Along,
): Promise<Application> {
  const found = await findApplication(deps, idOrUid)
  if (found) return found
  return (await createApplication(deps, settingsOf(along, idOrUid), { getIfExists: true })).application
}

/**
 * Does work in the application that a path names; if there is none, in a draft of the one given
 * along, which the work is to make in the batch of what it writes. When somebody else has made it
 * meanwhile, does it in theirs.
 */
export async function inApplication<Result>(
  deps: Deps,
  idOrUid: string,
  along: Along,
  work: (application: Application, isNew: boolean) => Promise<Result>,
): Promise<Result> {
  const found = await findApplication(deps, idOrUid)
  if (found) return work(found, false)
  const draft = draftApplication(deps, settingsOf(along, idOrUid))
  try {
    return await work(draft, true)
  } catch (error) {
    const made = error instanceof EngineError ? await findApplication(deps, idOrUid) : undefined
    if (!made) throw error
    return work(made, false)
  }
}

function settingsOf(along: Along, idOrUid: string) {
  if (!along) throw notFound("Application")
  if (along.uid === idOrUid) return toSettings(along)
  const msg = "must be the uid that the path names"
  throw invalidInput([{ loc: ["body", "application", "uid"], msg, type: "application_uid_mismatch" }])
}
