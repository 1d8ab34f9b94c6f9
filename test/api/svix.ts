import { Svix } from "svix"

import { ORIGIN, type World } from "../support/world.ts"
import { checkAnswer } from "./document.ts"

/** Open mode asks for no token, but the client has to send one. */
const ANY_TOKEN = "any"

/**
 * The official client, unmodified, whose requests go into the world's app. Each answer is held against our own
 * OpenAPI document; one that does not fit it is thrown.
 */
export function svixFor(world: World, token = ANY_TOKEN): Svix {
  return new Svix(token, clientOptions(world))
}

/** What makes a client of either version speak with the world's app. */
export function clientOptions(world: World): ClientOptions {
  return {
    serverUrl: ORIGIN,
    // No retries: a test wants to see the first answer.
    retryScheduleInMs: [],
    fetch: async (input, init) => {
      const url = new URL(input instanceof Request ? input.url : input)
      return callApi(world, `${url.pathname}${url.search}`, init)
    },
  }
}

interface ClientOptions {
  serverUrl: string
  retryScheduleInMs: number[]
  fetch: typeof fetch
}

/** As `world.fetch`, with the answer held against our own OpenAPI document. */
export async function callApi(
  world: World,
  path: string,
  init: Parameters<World["fetch"]>[1] = {},
): Promise<Response> {
  const response = await world.fetch(path, init)
  await checkAnswer(world, init.method ?? ("json" in init ? "POST" : "GET"), path, response.clone())
  return response
}
