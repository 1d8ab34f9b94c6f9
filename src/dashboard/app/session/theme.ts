import { effect, signal } from "@preact/signals"

import { type Colour, parseColour, readableOn, textOn, toHex } from "./colour.ts"
import { link } from "./link.ts"
import { store } from "./store.ts"

export type Scheme = "system" | "light" | "dark"

const SCHEME = "posthorn-scheme"
const THEME = "posthorn-theme"
/** What the accent is read on: `--raised` of styles/tokens.css. */
const GROUNDS: readonly (readonly [name: "Light" | "Dark", ground: Colour])[] = [
  ["Light", [0xff, 0xff, 0xff]],
  ["Dark", [0x1a, 0x1c, 0x1f]],
]
/** None is loaded: a reader whose machine lacks it sees the machine's own. */
const FONTS = [
  "Arial",
  "Georgia",
  "Helvetica",
  "Inter",
  "Lato",
  "Open Sans",
  "Roboto",
  "Segoe UI",
  "Tahoma",
  "Times New Roman",
  "Verdana",
]

// Another link is another customer's page: it looks as that one says, or as ours.
if (link.token !== null || link.theme.size > 0) store.setItem(THEME, link.theme.toString())
const theme = new URLSearchParams(store.getItem(THEME) ?? "")

/** Light, dark, or as the system has it. */
export const scheme = signal<Scheme>(initialScheme())
/** The page that this one is part of has a navigation already. */
export const hasNavigation = !(isOn("embed") || isOn("noNavigation"))
/** A picture in place of ours; one that would have to be loaded from elsewhere is not taken. */
export const icon = pictureOf(theme.get("icon") ?? "")

/** Makes the page look as the link asked for; what is no colour or font of the list changes nothing. */
export function applyTheme(): void {
  const { style, dataset } = document.documentElement
  for (const [name, ground] of GROUNDS) {
    const colour =
      parseColour(theme.get(`primaryColor${name}`) ?? "") ?? parseColour(theme.get("primaryColor") ?? "")
    if (colour === null) continue
    const suffix = name.toLowerCase()
    style.setProperty(`--link-accent-${suffix}`, toHex(readableOn(colour, ground)))
    style.setProperty(`--link-fill-${suffix}`, toHex(colour))
    style.setProperty(`--link-on-fill-${suffix}`, toHex(textOn(colour)))
  }
  const asked = theme.get("fontFamily")?.toLowerCase()
  const font = FONTS.find((known) => known.toLowerCase() === asked)
  if (font !== undefined) style.setProperty("--link-font", `"${font}"`)
  effect(() => {
    if (scheme.value === "system") delete dataset.scheme
    else dataset.scheme = scheme.value
    store.setItem(SCHEME, scheme.value)
  })
}

/** A picture that the Content-Security-Policy lets through: in the link itself, or the Worker's own. */
function pictureOf(asked: string): string | null {
  if (asked.startsWith("data:image/")) return asked
  const isOwn = asked !== "" && URL.canParse(asked, location.origin)
  return isOwn && new URL(asked, location.origin).origin === location.origin ? asked : null
}

function initialScheme(): Scheme {
  if (theme.has("darkMode")) return isOn("darkMode") ? "dark" : "light"
  const kept = store.getItem(SCHEME)
  return kept === "light" || kept === "dark" ? kept : "system"
}

function isOn(name: string): boolean {
  return ["true", "1", ""].includes(theme.get(name) ?? "false")
}
