import { useCallback, useEffect, useState } from "preact/hooks"

import { usePoll } from "./poll.ts"

/** What is known of something that comes to an end, and why the last question had no answer. */
export interface Awaited<T> {
  data: T | undefined
  error: unknown
}

/** Asks until the answer is the last one: soon again each time, for somebody is waiting for it. */
export function useUntil<T>(
  question: () => Promise<T>,
  isLast: (answer: T) => boolean,
  key: string,
): Awaited<T> {
  const [known, setKnown] = useState<Awaited<T> & { key: string }>({ key, data: undefined, error: undefined })
  const now = known.key === key ? known : { key, data: undefined, error: undefined }
  const look = useCallback(async () => {
    try {
      setKnown({ key, data: await question(), error: undefined })
    } catch (error) {
      setKnown((before) => ({ key, data: before.key === key ? before.data : undefined, error }))
    }
    return true
  }, [key])
  useEffect(() => void look(), [look])
  usePoll(look, now.data === undefined || !isLast(now.data))
  return now
}
