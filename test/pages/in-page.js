// What the tests ask of a page from inside: it stands in every page and frame that they open.
const CONTROLS = "a[href], button, input, select, textarea, summary, [tabindex]"

globalThis.probe = {
  /** The addresses of the other tabs of the screen that is shown. */
  otherTabs: () =>
    [...document.querySelectorAll("main .tabs a:not([aria-current])")]
      .filter(({ pathname }) => pathname === location.pathname)
      .map(({ pathname, search }) => pathname + search),

  /** Starts to watch what the focus comes to, and says of how many controls. */
  watchFocus() {
    const missing = new Set([...document.querySelectorAll(CONTROLS)].filter(isWithinReach))
    const count = missing.size
    document.addEventListener("focusin", ({ target }) => {
      const isShown = [null, "::after"].some((part) => getComputedStyle(target, part).outlineStyle !== "none")
      if (isShown) missing.delete(target)
    })
    document.activeElement?.blur()
    /** What the focus has not come to, or where nobody saw it. */
    this.missed = () => [...missing].filter((element) => element.isConnected).map(beginningOf)
    return count
  },

  /** What of a hostile text (hostile.test.ts) has become an element, or has run. */
  madeOfText: () => [
    ...[...document.querySelectorAll("#made, #page img, #page script, #page b")].map(beginningOf),
    ...("hit" in globalThis ? ["a script ran"] : []),
  ],

  /** What is in a table and cannot be read whole. */
  cutInTables: () =>
    [...document.querySelectorAll(".table-card, .table td, .table .row-link")].filter(isCut).map(beginningOf),

  property: (name) => getComputedStyle(document.documentElement).getPropertyValue(name),
}

function isWithinReach(element) {
  return (
    element.tabIndex >= 0 &&
    !element.matches(":disabled, input[type=radio]:not(:checked)") &&
    element.checkVisibility({ visibilityProperty: true })
  )
}

function isCut(element) {
  const { overflowX } = getComputedStyle(element)
  const isTooLarge = element.scrollWidth > element.clientWidth || element.scrollHeight > element.clientHeight
  return overflowX !== "visible" && isTooLarge && element.checkVisibility()
}

function beginningOf({ outerHTML }) {
  return outerHTML.slice(0, 200)
}
