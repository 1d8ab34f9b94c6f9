import { api, ask } from "../../api/client.ts"
import { useLive } from "../../live/live.ts"

/** As many as a list may be read in. */
const MOST = 250

/** The names of the catalog's event types; empty until they are known. */
export function useTypes(): readonly string[] {
  const { data } = useLive(
    (signal) => ask(api.GET("/api/v1/event-type", { params: { query: { limit: MOST } }, signal })),
    [],
    { isOn: false },
  )
  return data?.data.map(({ name }) => name) ?? []
}
