import "./styles/tokens.css"
import "./styles/base.css"
import { render } from "preact"
import { LocationProvider } from "preact-iso"

import { Frame } from "./frame/frame.tsx"
import { openSession } from "./session/session.ts"
import { SignedIn } from "./session/signed-in.tsx"
import { applyTheme } from "./session/theme.ts"
import { Toasts } from "./ui/toast.tsx"

/** What the page's own router answers; everything else (/docs, say) is loaded. */
const SCOPE = /^\/(dashboard(\/.*)?)?$/

applyTheme()
void openSession()
render(
  <LocationProvider scope={SCOPE}>
    <SignedIn>
      <Frame />
    </SignedIn>
    <Toasts />
  </LocationProvider>,
  document.getElementById("page") as HTMLElement,
)
