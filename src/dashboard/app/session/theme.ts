import { effect, signal } from "@preact/signals"

import { link } from "./link.ts"
import { store } from "./store.ts"

export type Scheme = "system" | "light" | "dark"

const SCHEME = "posthorn-scheme"
const THEME = "posthorn-theme"
const COLOUR = /^#?([0-9a-f]{3}|[0-9a-f]{6})$/i
const FONT = /^[\w -]{1,64}$/

if (link.theme.size > 0) store.setItem(THEME, link.theme.toString())
const theme = new URLSearchParams(store.getItem(THEME) ?? "")

/** Light, dark, or as the system has it. */
export const scheme = signal<Scheme>(initialScheme())
/** The customer's own page has a navigation already. */
export const hasNavigation = !isOn("noNavigation")
/** A picture in place of ours; one that would have to be loaded from elsewhere is not taken. */
export const icon = theme.get("icon")?.startsWith("data:image/") ? theme.get("icon") : null

/** Makes the page look as the link asked for; what is no colour or font changes nothing. */
export function applyTheme(): void {
  const root = document.documentElement
  for (const [name, property] of [
    ["primaryColorLight", "--link-accent-light"],
    ["primaryColorDark", "--link-accent-dark"],
  ] as const) {
    const colour = theme.get(name) ?? theme.get("primaryColor")
    if (colour !== null && COLOUR.test(colour))
      root.style.setProperty(property, `#${colour.replace("#", "")}`)
  }
  const font = theme.get("fontFamily")
  if (font !== null && FONT.test(font)) root.style.setProperty("--link-font", `"${font}"`)
  effect(() => {
    if (scheme.value === "system") delete root.dataset.scheme
    else root.dataset.scheme = scheme.value
    store.setItem(SCHEME, scheme.value)
  })
}

function initialScheme(): Scheme {
  if (theme.has("darkMode")) return isOn("darkMode") ? "dark" : "light"
  const kept = store.getItem(SCHEME)
  return kept === "light" || kept === "dark" ? kept : "system"
}

function isOn(name: string): boolean {
  return ["true", "1", ""].includes(theme.get(name) ?? "false")
}
