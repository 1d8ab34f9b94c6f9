import type { ComponentChildren } from "preact"

import type { Live } from "../live/live.ts"
import { Loading, Wrong } from "./empty.tsx"

/** What was asked for: room for it while it is on its way, and why it could not be had. */
export function Shown<T>({
  live: { data, error, reload },
  rows,
  children,
}: {
  live: Live<T>
  /** For how many rows there is to be room. */
  rows?: number
  children: (data: T) => ComponentChildren
}) {
  if (data !== undefined) return <>{children(data)}</>
  return error ? <Wrong error={error} retry={reload} /> : <Loading {...(rows && { rows })} />
}
