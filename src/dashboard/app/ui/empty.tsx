import "./empty.css"
import type { ComponentChildren } from "preact"

import { inWords } from "../api/problem.ts"
import { Button } from "./button.tsx"
import { Code } from "./code.tsx"

/** Nothing is here yet: what would be, and what to do so that it is, with a command to copy. */
export function Empty({
  title,
  children,
  command,
}: {
  title: string
  children?: ComponentChildren
  command?: string | undefined
}) {
  return (
    <div class="card empty">
      <h2>{title}</h2>
      {children && <div class="quiet">{children}</div>}
      {command !== undefined && <Code text={command} what="command" />}
    </div>
  )
}

/** What is shown in place of something that could not be had. */
export function Wrong({ error, retry }: { error: unknown; retry?: () => Promise<void> }) {
  return (
    <div class="card empty" role="alert">
      <h2>That did not work</h2>
      <p class="quiet wraps">{inWords(error)}</p>
      {retry && <Button onClick={retry}>Try again</Button>}
    </div>
  )
}

/** Room for what is on its way. */
export function Loading({ rows = 6 }: { rows?: number }) {
  return (
    <div class="card loading" aria-busy="true">
      <span class="unseen">Loading</span>
      {Array.from({ length: rows }, (_, index) => (
        <i key={index} />
      ))}
    </div>
  )
}
