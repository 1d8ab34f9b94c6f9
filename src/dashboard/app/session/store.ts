/** The browser's storage for this tab, or memory where a frame may not have one. */
export const store = firstThatWorks()

function firstThatWorks(): Pick<Storage, "getItem" | "setItem" | "removeItem"> {
  try {
    sessionStorage.getItem("")
    return sessionStorage
  } catch {
    const memory = new Map<string, string>()
    return {
      getItem: (name) => memory.get(name) ?? null,
      setItem: (name, value) => void memory.set(name, value),
      removeItem: (name) => void memory.delete(name),
    }
  }
}
