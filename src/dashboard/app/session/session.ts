import { signal } from "@preact/signals"

import { api, ask } from "../api/client.ts"
import { inWords, Problem } from "../api/problem.ts"
import { isOpen } from "../page.ts"
import { endSession, keepSession, token, whyNot } from "./state.ts"

/** The Worker is being asked who this is. */
export const isOpening = signal(true)

/** Asks the Worker what the token reaches; without one, and where one is needed, there is no session. */
export async function openSession(): Promise<void> {
  if (token.value !== null || isOpen) {
    isOpening.value = true
    try {
      keepSession(await ask(api.GET("/api/v1/auth/session")))
    } catch (error) {
      if (isRefusal(error))
        endSession("This token is not taken: it is wrong, has expired, or was logged out.")
      else whyNot.value = inWords(error)
    }
  }
  isOpening.value = false
}

/** Signs in with a token that somebody has pasted. */
export function signIn(pasted: string): Promise<void> {
  token.value = pasted.trim()
  return openSession()
}

/** Whatever else went wrong says nothing of the token: it is kept. */
function isRefusal(error: unknown): boolean {
  return error instanceof Problem && (error.status === 401 || error.status === 403)
}
