import "./sign-in.css"
import type { ComponentChildren } from "preact"
import { useState } from "preact/hooks"

import { isOpen } from "../page.ts"
import { Button } from "../ui/button.tsx"
import { TextField } from "../ui/field.tsx"
import { Horn } from "../ui/icon.tsx"
import { isOpening, openSession, signIn } from "./session.ts"
import { session, token, whyNot } from "./state.ts"

/** What is inside is shown to whoever has a session; everybody else is asked for a token. */
export function SignedIn({ children }: { children: ComponentChildren }) {
  if (session.value !== null) return <>{children}</>
  if (isOpening.value) return <main class="sign-in" aria-busy="true" />
  return isOpen || token.value !== null ? <NoAnswer /> : <SignIn />
}

function SignIn() {
  const [pasted, setPasted] = useState("")
  return (
    <main class="sign-in">
      <form
        onSubmit={(event) => {
          event.preventDefault()
          void signIn(pasted)
        }}
      >
        <Horn size={28} />
        <h1>Posthorn</h1>
        <p>
          Paste the deployment’s <code>API_TOKEN</code>, or open the link that you were given. The token stays
          in this tab until it is closed.
        </p>
        <TextField
          label="Token"
          type="password"
          value={pasted}
          onChange={setPasted}
          error={whyNot.value}
          autoFocus
          required
          mono
        />
        <Button kind="primary" type="submit" disabled={pasted.trim() === ""}>
          Sign in
        </Button>
        <p class="quiet">
          <a href="/docs">API documentation</a>
        </p>
      </form>
    </main>
  )
}

function NoAnswer() {
  return (
    <main class="sign-in">
      <div>
        <Horn size={28} />
        <h1>Posthorn</h1>
        <p role="alert">{whyNot.value}</p>
        <Button kind="primary" onClick={openSession}>
          Try again
        </Button>
      </div>
    </main>
  )
}
