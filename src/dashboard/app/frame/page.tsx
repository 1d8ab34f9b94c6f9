import "./page.css"
import { type ComponentChildren, Fragment } from "preact"
import { useEffect } from "preact/hooks"

import type { Live } from "../live/live.ts"
import { Shown } from "../ui/shown.tsx"

export interface Crumb {
  href: string
  label: ComponentChildren
}

/** A screen's content under its heading; the title goes to the browser's tab as well. */
export function Page({
  title,
  name = title,
  crumbs = [],
  actions,
  about,
  children,
}: {
  title: string
  /** The heading, where it is more than the title's words. */
  name?: ComponentChildren
  /** What the page is part of, the largest first. */
  crumbs?: readonly Crumb[]
  actions?: ComponentChildren
  /** A line below the heading. */
  about?: ComponentChildren
  children: ComponentChildren
}) {
  useEffect(() => {
    document.title = `${title} · Posthorn`
  }, [title])
  return (
    <div class="page">
      <div class="page-head">
        <div class="page-words">
          {crumbs.length > 0 && (
            <nav class="crumbs" aria-label="Where this is">
              {crumbs.map(({ href, label }) => (
                <Fragment key={href}>
                  <a href={href}>{label}</a>
                  <span aria-hidden="true">/</span>
                </Fragment>
              ))}
            </nav>
          )}
          <h1 class="wraps">{name}</h1>
          {about && <div class="page-about">{about}</div>}
        </div>
        {actions && <div class="buttons">{actions}</div>}
      </div>
      {children}
    </div>
  )
}

/** A page before there is anything to show on it. */
export function Waiting({ live, ...page }: { live: Live<unknown>; title: string; crumbs: readonly Crumb[] }) {
  return (
    <Page {...page}>
      <Shown live={live}>{() => null}</Shown>
    </Page>
  )
}
