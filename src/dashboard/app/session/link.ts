/** What the link that led here says behind its `#`, which browsers send to nobody. */
export interface Link {
  token: string | null
  theme: URLSearchParams
}

const THEME = [
  "primaryColor",
  "primaryColorLight",
  "primaryColorDark",
  "icon",
  "fontFamily",
  "darkMode",
  "embed",
  "noNavigation",
]

/** Reads the link and takes it out of the address, so that no bookmark, no screenshot and no history keeps a token. */
export function takeLink(): Link {
  const fragment = new URLSearchParams(location.hash.slice(1))
  const query = new URLSearchParams(location.search)
  const token = fragment.get("token") ?? tokenOfKey(fragment.get("key"))
  const theme = new URLSearchParams()
  for (const name of THEME) {
    const value = fragment.get(name) ?? query.get(name)
    if (value !== null) theme.set(name, value)
    query.delete(name)
  }
  if (token !== null || theme.size > 0) {
    const rest = query.size > 0 ? `?${query}` : ""
    history.replaceState(history.state, "", `${location.pathname}${rest}`)
  }
  return { token, theme }
}

/** Svix's `#key=`: a token, or base64 of a JSON object that has one. */
function tokenOfKey(key: string | null): string | null {
  if (key === null) return null
  try {
    const { token } = JSON.parse(atob(key.replaceAll("-", "+").replaceAll("_", "/"))) as { token?: unknown }
    if (typeof token === "string") return token
  } catch {
    // It is the token itself.
  }
  return key
}

/** The link of this page; main.tsx is the only one to load it, so it is read once. */
export const link = takeLink()

// Another link to this very page changes only what stands behind the `#`: the page begins anew with it.
addEventListener("hashchange", () => {
  if (/[#&](token|key)=/.test(location.hash)) location.reload()
})
