import { at } from "../../screen.ts"
import { store } from "../../session/store.ts"

/** The page of the inbox that is an endpoint's URL, for the way back to the endpoint; undefined where it is no inbox. */
export function inboxOf(url: string, application: string, endpoint: string): string | undefined {
  const all = `${location.origin}/inbox/`
  if (!url.startsWith(all)) return undefined
  return `${at("inbox", url.slice(all.length))}?${new URLSearchParams({ endpoint: `${application}/${endpoint}` })}`
}

/** Keeps in this tab, as `application/endpoint`, whose endpoint an inbox is: the Worker knows no more of it than its URL. */
export function rememberEndpoint(inbox: string, endpoint: string): void {
  store.setItem(nameOf(inbox), endpoint)
}

export function rememberedEndpoint(inbox: string): string {
  return store.getItem(nameOf(inbox)) ?? ""
}

function nameOf(inbox: string): string {
  return `posthorn-endpoint-${inbox}`
}
