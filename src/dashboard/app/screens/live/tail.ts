import { useCallback, useEffect, useRef, useState } from "preact/hooks"

import { api, ask, type Schemas } from "../../api/client.ts"
import { usePoll } from "../../live/poll.ts"
import { useKeys } from "../../ui/keys.ts"

export type Activity = Schemas["ActivityOut"]["data"][number]

/** What is kept on the page; older things are found in their lists. */
const MOST_KEPT = 500

/** What happens, as it happens, the newest first; while it is paused, nothing is asked and nothing moves. */
export function useTail(isPaused: boolean): {
  rows: readonly Activity[] | undefined
  error: unknown
  look: () => Promise<boolean>
} {
  const [shown, show] = useState<{ rows?: readonly Activity[]; error?: unknown }>({})
  const known = useRef(new Map<string, Activity>())
  const iterator = useRef<string | undefined>(undefined)

  const look = useCallback(async (): Promise<boolean> => {
    try {
      const query = iterator.current === undefined ? {} : { iterator: Number(iterator.current) }
      const answer = await ask(api.GET("/api/v1/overview/activity", { params: { query } }))
      const isFirst = iterator.current === undefined
      iterator.current = answer.iterator
      const isNew = merge(known.current, answer.data)
      if (isFirst || isNew) show({ rows: newestOf(known.current) })
      return isNew
    } catch (error) {
      show(({ rows }) => ({ ...(rows && { rows }), error }))
      return false
    }
  }, [])

  useEffect(() => void look(), [look])
  usePoll(look, !isPaused)
  useKeys({ r: () => void (isPaused || look()) })
  return { rows: shown.rows, error: shown.error, look }
}

export function keyOf({ kind, id }: Activity): string {
  return `${kind} ${id}`
}

/** When it began, epoch ms: that is its place. */
export function beganAt({ startedAt, receivedAt }: Activity): number {
  return Date.parse(startedAt ?? receivedAt)
}

/** Takes in what is new or has changed; whether anything has. */
function merge(known: Map<string, Activity>, answered: readonly Activity[]): boolean {
  const changed = answered.filter((one) => JSON.stringify(known.get(keyOf(one))) !== JSON.stringify(one))
  for (const one of changed) known.set(keyOf(one), one)
  return changed.length > 0
}

/** The newest of them; the others are forgotten. */
function newestOf(known: Map<string, Activity>): Activity[] {
  const rows = [...known.values()].sort((a, b) => beganAt(b) - beganAt(a))
  for (const old of rows.splice(MOST_KEPT)) known.delete(keyOf(old))
  return rows
}
