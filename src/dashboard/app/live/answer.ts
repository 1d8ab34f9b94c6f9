import type { Client, ClientPathsWithMethod, MethodResponse } from "openapi-fetch"

import { api, ask } from "../api/client.ts"
import type { paths } from "../api/schema.d.ts"
import { type Live, useLive } from "./live.ts"

type Path = ClientPathsWithMethod<Client<paths>, "get">
type Params<Asked extends Path> = paths[Asked]["get"] extends { parameters: infer Known } ? Known : never
type Answer<Asked extends Path> = MethodResponse<Client<paths>, "get", Asked>

/** What one operation answers, asked again and again: other parameters are another question. */
export function useAnswer<Asked extends Path>(
  path: Asked,
  params: Params<Asked>,
  how: { isOn?: boolean } = {},
): Live<Answer<Asked>> {
  const question = (signal: AbortSignal) => ask(api.GET(path as never, { params, signal } as never))
  return useLive(
    question as (signal: AbortSignal) => Promise<Answer<Asked>>,
    [path, JSON.stringify(params)],
    how,
  )
}
