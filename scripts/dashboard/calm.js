// Stands in every page that a test or a script opens, and knows what the page has asked and not been answered.
// @ts-nocheck: these are a browser's names.
const FRAMES = 3
const PATIENCE_MS = 30_000

const ask = globalThis.fetch
/** What is on its way. @type {Set<{ url: string }>} */
const open = new Set()

globalThis.fetch = async (where, how) => {
  const question = { url: where instanceof Request ? where.url : String(where) }
  open.add(question)
  try {
    const answer = await ask(where, how)
    // It is there when all of it is.
    await answer.clone().arrayBuffer()
    return answer
  } finally {
    open.delete(question)
  }
}

/**
 * Resolves once the screen is there and nothing is on its way, for as many frames as it takes what has arrived to be shown
 * and to ask further. Rejects with what is still missing.
 */
globalThis.calm = async () => {
  const giveUpAt = Date.now() + PATIENCE_MS
  for (let frames = 0; frames < FRAMES; frames++) {
    await nextFrame()
    if (missing().length > 0) frames = -1
    if (Date.now() > giveUpAt) throw new Error(`Waited in vain for ${missing().join(", ")}`)
  }
}

function missing() {
  return [
    ...Array.from(open, ({ url }) => url),
    ...(document.querySelector("main :is(h1, h2)") ? [] : ["a heading"]),
    ...(document.querySelector("main [aria-busy=true]") ? ["a part that is busy"] : []),
  ]
}

/** Effects run behind a frame. */
function nextFrame() {
  return new Promise((passed) => requestAnimationFrame(() => setTimeout(passed)))
}
