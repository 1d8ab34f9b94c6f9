import "./frame.css"
import { useEffect, useState } from "preact/hooks"
import { useLocation } from "preact-iso"

import { isOpen, VERSION } from "../page.ts"
import { at, type Screen } from "../screen.ts"
import { screens } from "../screens.ts"
import { openSession } from "../session/session.ts"
import { endSession, isPortal, session, token } from "../session/state.ts"
import { hasNavigation, icon, type Scheme, scheme } from "../session/theme.ts"
import { Button } from "../ui/button.tsx"
import { Horn, MenuIcon, MoonIcon, SunIcon, SystemIcon } from "../ui/icon.tsx"
import { useKeys } from "../ui/keys.ts"
import { Found } from "./found.tsx"

/** What stands around every screen. */
export function Frame() {
  useKeys({ "/": focusSearch })
  return (
    <div class={`frame ${hasNavigation ? "" : "frame-bare"}`}>
      <a class="skip" href="#main">
        Skip to the content
      </a>
      {hasNavigation && <Navigation />}
      <main id="main" class="main" tabIndex={-1}>
        <Found />
      </main>
    </div>
  )
}

function Navigation() {
  const { path } = useLocation()
  const [isUnfolded, setUnfolded] = useState(false)
  useEffect(() => setUnfolded(false), [path])
  return (
    <header class={`side ${isUnfolded ? "side-unfolded" : ""}`}>
      <div class="side-head">
        <a class="brand" href={at()}>
          {icon === null ? <Horn /> : <img src={icon} alt="" width="20" height="20" />}
          <span class="wraps">{session.value?.application?.name ?? "Posthorn"}</span>
        </a>
        <button
          type="button"
          class="side-toggle"
          aria-expanded={isUnfolded}
          aria-label="Menu"
          onClick={() => setUnfolded(!isUnfolded)}
        >
          <MenuIcon />
        </button>
      </div>
      <nav class="menu" aria-label="Main">
        {menuOf(path).map(({ href, label, isCurrent }) => (
          <a key={href} href={href} aria-current={isCurrent ? "page" : undefined}>
            {label}
          </a>
        ))}
      </nav>
      <div class="side-foot">
        {isOpen && !isPortal.value && <p class="quiet">Open mode: this machine alone, and no token.</p>}
        {!isPortal.value && (
          <p class="row">
            <a href="/docs">API</a>
            <a href="/health">Health</a>
            <span class="quiet number">{VERSION}</span>
          </p>
        )}
        <div class="row">
          <SchemeSwitch />
          {token.value !== null && (
            <Button
              kind="quiet"
              onClick={() => {
                endSession()
                return openSession()
              }}
            >
              Sign out
            </Button>
          )}
        </div>
      </div>
    </header>
  )
}

/** The operator sees the operator's screens; a customer those of one application, which have no other place then. */
function menuOf(path: string) {
  const application = session.value?.application?.id
  const of = application === undefined ? "operator" : "application"
  return screens.flatMap((screen) => {
    if (screen.menu?.of !== of) return []
    const href = hrefOf(screen, application)
    const isFirst = screen === screens[0] && (path === "/" || path === at())
    const isBelow =
      path.startsWith(`${href}/`) || (href === at("applications") && path.startsWith(`${at("app")}/`))
    return [{ href, label: screen.menu.label, isCurrent: path === href || isFirst || isBelow }]
  })
}

/** The address of a screen that has a place in a navigation. */
export function hrefOf(screen: Screen, application = ""): string {
  return at() + screen.path.replace(":app", encodeURIComponent(application))
}

const NEXT: Record<Scheme, { next: Scheme; icon: typeof SunIcon; words: string }> = {
  system: { next: "light", icon: SystemIcon, words: "Colours: as the system has them" },
  light: { next: "dark", icon: SunIcon, words: "Colours: light" },
  dark: { next: "system", icon: MoonIcon, words: "Colours: dark" },
}

function SchemeSwitch() {
  const { next, icon: Icon, words } = NEXT[scheme.value]
  return (
    <button
      type="button"
      class="scheme"
      aria-label={words}
      title={words}
      onClick={() => (scheme.value = next)}
    >
      <Icon />
    </button>
  )
}

function focusSearch(event: KeyboardEvent) {
  const search = document.querySelector<HTMLInputElement>("main input[type=search]")
  if (search === null) return
  event.preventDefault()
  search.focus()
}
