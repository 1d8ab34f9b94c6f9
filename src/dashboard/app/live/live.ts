import { useCallback, useEffect, useRef, useState } from "preact/hooks"

import { useKeys } from "../ui/keys.ts"
import { usePoll } from "./poll.ts"

/** What is shown of something that changes on the Worker. */
export interface Live<T> {
  /** The last that was answered; undefined before the first answer. */
  data: T | undefined
  /** Why the last question had no answer; what was known before stays. */
  error: unknown
  /** Asks again, now. */
  reload: () => Promise<void>
}

/**
 * Asks the Worker, and keeps asking while the page is visible; `r` asks at once. `keys` are what the question is about:
 * when one changes it is another question, and the old answer is forgotten.
 */
export function useLive<T>(
  question: (signal: AbortSignal) => Promise<T>,
  keys: readonly (string | number | boolean | null | undefined)[],
  { isOn = true }: { isOn?: boolean } = {},
): Live<T> {
  const key = JSON.stringify(keys)
  const [answer, setAnswer] = useState<Answer<T>>({ key, text: "" })
  const latest = useRef({ question, answer })
  latest.current.question = question
  const asking = useRef<AbortController | null>(null)

  const ask = useCallback(async (): Promise<boolean> => {
    asking.current?.abort()
    const controller = new AbortController()
    asking.current = controller
    const { signal } = controller
    const show = (next: Answer<T>) => {
      if (signal.aborted || isSame(latest.current.answer, next)) return false
      latest.current.answer = next
      setAnswer(next)
      return true
    }
    try {
      const data = await latest.current.question(signal)
      return show({ key, text: JSON.stringify(data) ?? "", data })
    } catch (error) {
      const { answer } = latest.current
      show({ ...(answer.key === key ? answer : { key, text: "" }), error })
      return false
    }
  }, [key])

  const lookSoon = usePoll(ask, isOn)
  const reload = useCallback(async () => {
    await ask()
    lookSoon()
  }, [ask])
  useEffect(() => {
    void reload()
    return () => asking.current?.abort()
  }, [ask])
  useKeys({ r: () => void reload() })

  return answer.key === key
    ? { data: answer.data, error: answer.error, reload }
    : { data: undefined, error: undefined, reload }
}

interface Answer<T> {
  key: string
  /** The data as JSON, by which news are told from what is known. */
  text: string
  data?: T
  error?: unknown
}

function isSame<T>(known: Answer<T>, next: Answer<T>): boolean {
  return known.key === next.key && known.text === next.text && known.error === next.error
}
