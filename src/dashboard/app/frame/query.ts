import { useLocation } from "preact-iso"

/**
 * A value that stands in the address, so that a link shows the same; one that is as without it stands there not at all.
 * Another filter begins its list anew.
 */
export function useQuery<Value extends string = string>(
  name: string,
  initially: NoInfer<Value>,
): [value: Value, set: (value: Value, how?: "push" | "replace") => void] {
  const { query, route } = useLocation()
  const set = (value: Value, how: "push" | "replace" = "replace") => {
    const next = new URLSearchParams(location.search)
    if (value === initially) next.delete(name)
    else next.set(name, value)
    if (name !== "from") next.delete("from")
    const search = next.size > 0 ? `?${next}` : ""
    route(`${location.pathname}${search}`, how === "replace")
  }
  return [(query[name] ?? initially) as Value, set]
}

/** This address with another value, for a link to one of the things that are listed here. */
export function addressWith(name: string, value: string): string {
  const next = new URLSearchParams(location.search)
  next.set(name, value)
  return `${location.pathname}?${next}`
}
