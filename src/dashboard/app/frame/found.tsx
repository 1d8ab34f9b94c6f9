import { useEffect, useLayoutEffect } from "preact/hooks"
import { useLocation } from "preact-iso"

import { at, type Screen } from "../screen.ts"
import { screens } from "../screens.ts"
import { isPortal, session } from "../session/state.ts"
import { Empty } from "../ui/empty.tsx"
import { paramsOf } from "./match.ts"

/** Whether the reader came here by a link, not by going back: preact-iso knows, its typings do not. */
type Location = ReturnType<typeof useLocation> & { wasPush: boolean }

/** The screen that the address is of, from its top where a link led to it. */
export function Found() {
  const { path, wasPush } = useLocation() as Location
  useLayoutEffect(() => {
    if (wasPush) scrollTo(0, 0)
  }, [path])
  if (path === "/" || path === at()) return <Arrival />
  for (const { path: pattern, component: Component } of screens.filter(isThere)) {
    const params = paramsOf(at() + pattern, path)
    if (params) return <Component key={pattern} params={params} />
  }
  return (
    <Empty title="There is nothing here">
      <a href={at()}>Go to the beginning</a>
    </Empty>
  )
}

/** The operator has every screen, a customer those of an application. */
function isThere({ menu, isOperators = menu?.of === "operator" }: Screen): boolean {
  return !isPortal.value || !isOperators
}

/** Where everybody begins: the operator with the first screen, a customer with the endpoints. */
function Arrival() {
  const { route } = useLocation()
  const application = session.value?.application
  useEffect(() => {
    if (application) route(at("app", application.id, "endpoints"), true)
  }, [application])
  const First = screens[0]?.component
  return application || First === undefined ? null : <First params={{}} />
}
