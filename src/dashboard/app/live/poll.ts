import { useCallback, useEffect, useRef } from "preact/hooks"

/** How long the next look waits: something came, or nothing did. */
const SOON_MS = 2_000
const LATER_MS = 10_000

/**
 * Calls `look` again and again while the page is visible: soon after something came (it resolves to true), later when
 * nothing did, at once when the page is shown again, and never while it is hidden. What it returns has the next look come
 * soon: somebody has done something.
 */
export function usePoll(look: () => Promise<boolean>, isOn = true): () => void {
  const latest = useRef(look)
  latest.current = look
  const soon = useRef(() => {})
  useEffect(() => {
    if (!isOn) return
    let timer: ReturnType<typeof setTimeout> | undefined
    let isOver = false
    const wait = (ms: number) => {
      clearTimeout(timer)
      if (!isOver && !document.hidden) timer = setTimeout(() => void turn(), ms)
    }
    const turn = async () => wait((await latest.current()) ? SOON_MS : LATER_MS)
    const onVisibility = () => (document.hidden ? clearTimeout(timer) : wait(0))
    document.addEventListener("visibilitychange", onVisibility)
    soon.current = () => wait(SOON_MS)
    soon.current()
    return () => {
      isOver = true
      clearTimeout(timer)
      document.removeEventListener("visibilitychange", onVisibility)
    }
  }, [isOn])
  return useCallback(() => soon.current(), [])
}
