import { attempt, type Trigger } from "../../src/engine/pipeline/attempt.ts"
import type { Deps } from "../../src/platform/deps.ts"
import { SECRET } from "./make.ts"
import type { Answer } from "./receiver.ts"
import { createWorld, type World } from "./world.ts"

export const HOOK = "http://receiver.example/hook"

export const DAY_MS = 24 * 3_600_000

export const EVENT = {
  id: "evt_1",
  applicationId: "app_users",
  payload: '{"event":"x","data":{"name":"Zoë 🦉"}}',
}

export const ENDPOINT = { id: "ep_1", url: HOOK, headers: null, secrets: [`0:${SECRET}`] }

export function withFetch(world: World, fetch: () => Promise<Response>): Deps {
  return { ...world.deps, fetch: fetch as unknown as Deps["fetch"] }
}

/** One attempt at a receiver that answers like this. */
export async function attemptAt(answer: Answer, trigger: Trigger = "scheduled") {
  const world = await createWorld()
  world.receivers.at(HOOK, answer)
  return attempt(world.deps, EVENT, ENDPOINT, trigger)
}

/** Lets time pass, then the cron and all jobs run. */
export async function pass(world: World, ms: number): Promise<void> {
  world.clock.advance(ms)
  await world.sweep()
  await world.runAll()
}
