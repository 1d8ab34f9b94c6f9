import type { ComponentChildren } from "preact"
import { useLocation } from "preact-iso"

import { useAnswer } from "../live/answer.ts"
import { at } from "../screen.ts"
import { isPortal } from "../session/state.ts"
import { hasNavigation } from "../session/theme.ts"
import { Tabs } from "../ui/tabs.tsx"
import { type Crumb, Page } from "./page.tsx"

/** The application's screens that have a tab, in their order; a screen that wants one adds its line. */
const TABS: readonly (readonly [folder: string, label: string])[] = [
  ["endpoints", "Endpoints"],
  ["messages", "Messages"],
]

/** What the operator has besides: customers make no links. */
const OPERATOR_TABS: typeof TABS = [...TABS, ["portal", "Portal"]]

/** A list of an application, under its name and its tabs. */
export function ApplicationPage({
  app,
  title,
  actions,
  children,
}: {
  app: string
  title: string
  actions?: ComponentChildren
  children: ComponentChildren
}) {
  const { path } = useLocation()
  const name = useApplicationName(app)
  const tabs = (
    <Tabs
      label="Parts of the application"
      tabs={(isPortal.value ? TABS : OPERATOR_TABS).map(([folder, label]) => {
        const href = at("app", app, folder)
        return { href, label, isCurrent: path === href }
      })}
    />
  )
  if (isPortal.value) {
    return (
      <Page title={title} actions={actions}>
        {!hasNavigation && tabs}
        {children}
      </Page>
    )
  }
  return (
    <Page
      title={`${title} of ${name}`}
      name={name}
      crumbs={[{ href: at("applications"), label: "Applications" }]}
      actions={actions}
    >
      {tabs}
      {children}
    </Page>
  )
}

/** What leads from a thing of an application back to it. */
export function useCrumbs(app: string, ...folders: readonly ("endpoints" | "messages")[]): Crumb[] {
  const name = useApplicationName(app)
  const own = folders.map((folder) => ({
    href: at("app", app, folder),
    label: TABS.find(([known]) => known === folder)?.[1] ?? folder,
  }))
  if (isPortal.value) return own
  return [
    { href: at("applications"), label: "Applications" },
    { href: at("app", app, "endpoints"), label: name },
    ...own,
  ]
}

function useApplicationName(app: string): string {
  const { data } = useAnswer("/api/v1/app/{app_id}", { path: { app_id: app } }, { isOn: false })
  return data?.name ?? app
}
