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
import { type ApplicationIn, toSettings } from "./wire.ts"

type Given = z.infer<typeof ApplicationIn> | null | undefined

/**
 * The application that a path names; if there is none, the given one is created, which must have that uid.
 */
export async function getOrCreateApplication(
  deps: Deps,
  idOrUid: string,
  given: Given,
): Promise<Application> {
  const found = await findApplication(deps, idOrUid)
  if (found) return found
  return (await createApplication(deps, settingsOf(given, idOrUid), { getIfExists: true })).application
}

/**
 * Does work in the application that a path names; if there is none, in a draft of the given one, which the
 * work creates in the batch of what it writes. If another request has created it meanwhile, the work is done
 * in that one.
 */
export async function inApplication<Result>(
  deps: Deps,
  idOrUid: string,
  given: Given,
  work: (application: Application, isNew: boolean) => Promise<Result>,
): Promise<Result> {
  const found = await findApplication(deps, idOrUid)
  if (found) return work(found, false)
  const draft = draftApplication(deps, settingsOf(given, idOrUid))
  try {
    return await work(draft, true)
  } catch (error) {
    const made = error instanceof EngineError ? await findApplication(deps, idOrUid) : undefined
    if (!made) throw error
    return work(made, false)
  }
}

function settingsOf(given: Given, idOrUid: string) {
  if (!given) throw notFound("Application")
  if (given.uid === idOrUid) return toSettings(given)
  const msg = "must be the uid that the path names"
  throw invalidInput([{ loc: ["body", "application", "uid"], msg, type: "application_uid_mismatch" }])
}
