import { useAnswer } from "../../live/answer.ts"

/** As many as a list may be read in. */
const MOST = 250

/** The names of the catalog's event types; empty until they are known. */
export function useTypes(): readonly string[] {
  const { data } = useAnswer("/api/v1/event-type", { query: { limit: MOST } }, { isOn: false })
  return data?.data.map(({ name }) => name) ?? []
}
