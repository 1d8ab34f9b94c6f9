import { computed, signal } from "@preact/signals"

import type { components } from "../api/schema.d.ts"
import { link } from "./link.ts"
import { store } from "./store.ts"

export type Session = components["schemas"]["SessionOut"]
export type Capability = Session["capabilities"][number]

const TOKEN = "posthorn-token"

/** What requests are sent with; null in open mode, and before somebody signs in. */
export const token = signal<string | null>(link.token ?? store.getItem(TOKEN))
/** Who asks, once the Worker has said so. */
export const session = signal<Session | null>(null)
/** Why there is no session; empty while nobody has tried. */
export const whyNot = signal("")

/** The page is shown to a customer: one application, less navigation. */
export const isPortal = computed(() => session.value?.kind === "application")

/** The token allows it; a control that needs what it does not allow is not shown. */
export function can(capability: Capability): boolean {
  return session.value?.capabilities.includes(capability) ?? false
}

export function keepSession(answered: Session): void {
  session.value = answered
  whyNot.value = ""
  if (token.value !== null) store.setItem(TOKEN, token.value)
}

/** Forgets the token; what the sign-in page then says of it is `why`. */
export function endSession(why = ""): void {
  token.value = null
  session.value = null
  whyNot.value = why
  store.removeItem(TOKEN)
}
