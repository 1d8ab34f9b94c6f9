import type { ComponentType } from "preact"

/** A screen: where it is found, and what leads there. */
export interface Screen {
  /** Below /dashboard; `:name` stands for a part that varies, and arrives in `params`. */
  path: string
  component: ComponentType<ScreenProps>
  /** Its place in a navigation, if it has one: the operator's, or an application's. */
  menu?: { of: "operator" | "application"; label: string }
  /** A customer has no such screen, as none of the operator's menu. */
  isOperators?: boolean
}

export interface ScreenProps {
  /** The variable parts of the path, decoded. */
  params: Readonly<Record<string, string>>
}

const ROOT = "/dashboard"

/** The address of a screen. Parts that came from elsewhere are to be encoded: `at("app", id, "endpoints")` does. */
export function at(...parts: readonly string[]): string {
  return [ROOT, ...parts.map(encodeURIComponent)].join("/")
}
