import type { ComponentChildren } from "preact"

import { type Live, useLive } from "../live/live.ts"
import { at } from "../screen.ts"
import { Page } from "./page.tsx"
import { useQuery } from "./query.ts"

/** The page of a family's own things: what it tells its endpoints of, and the way to what it has told them. */
export function FamilyPage({
  app,
  title,
  about,
  children,
}: {
  app: string
  title: string
  about: string
  children: ComponentChildren
}) {
  return (
    <Page
      title={title}
      about={
        <>
          <span>{about}</span>
          <a href={at("app", app, "messages")}>What was sent</a>
          <a href={at("app", app, "endpoints")}>Endpoints</a>
        </>
      }
    >
      {children}
    </Page>
  )
}

/** What a family's list is asked for. */
interface Wanted {
  order: "descending"
  limit: number
  cursor: string
}

/** The page of a family's list that the address names, the newest first. */
export function useFamilyList<T>(question: (query: Wanted, signal: AbortSignal) => Promise<T>): Live<T> {
  const [cursor] = useQuery("from", "")
  return useLive((signal) => question({ order: "descending", limit: 50, cursor }, signal), [cursor])
}
