import { svixFor } from "../api/svix.ts"
import { createWorld, type World } from "./world.ts"

export const HOOK = "http://receiver.example/hook"

export const FULL = { withContent: true }

export async function worldWithEndpoint(settings: Record<string, string> = {}) {
  const world = await createWorld(settings)
  const svix = svixFor(world)
  await svix.application.create({ name: "Acme", uid: "acme" })
  const endpoint = await svix.endpoint.create("acme", { url: HOOK, uid: "ep" })
  await world.runDue()
  const send = (eventId: string, more: { eventType?: string; channels?: string[] } = {}) =>
    svix.message.create("acme", { eventType: "t", eventId, payload: { eventId }, ...more })
  return { world, svix, endpoint, send }
}

export const codeOf = async (promise: Promise<unknown>) =>
  promise.then(
    () => 0,
    (error: { code?: number }) => error.code,
  )

export const statusOf = async (world: World, msg: string) => {
  const [owed] = (await svixFor(world).messageAttempt.listAttemptedDestinations("acme", msg)).data
  return owed?.statusText
}
