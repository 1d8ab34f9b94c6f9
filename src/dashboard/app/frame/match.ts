/** The variable parts of a path, decoded, if the path is of the pattern's shape: `/app/:app` has one. */
export function paramsOf(pattern: string, path: string): Record<string, string> | null {
  const shape = pattern.replace(/:(\w+)/g, "(?<$1>[^/]+)")
  const parts = new RegExp(`^${shape}$`).exec(path)
  return parts && decoded(parts.groups ?? {})
}

/** Null for what nobody can have encoded. */
function decoded(parts: Record<string, string>): Record<string, string> | null {
  try {
    return Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, decodeURIComponent(part)]))
  } catch {
    return null
  }
}
