import "./code.css"
import { Copy } from "./copy.tsx"

/** Beyond this a text is shown in one colour. */
const MAX_COLOURED_CHARS = 64 * 1024
const JSON_PARTS = /("(?:[^"\\]|\\.)*"(?=\s*:))|("(?:[^"\\]|\\.)*")|\b(true|false|null|-?\d[\d.eE+-]*)\b/g

/** A text as it is, with a button to copy it; what it holds is never markup. */
export function Code({ text, what, isJson = false }: { text: string; what: string; isJson?: boolean }) {
  return (
    <figure class="code">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by the keyboard, too */}
      <pre tabIndex={0}>
        <code>{isJson && text.length <= MAX_COLOURED_CHARS ? coloured(text) : text}</code>
      </pre>
      <Copy text={text} what={what} />
    </figure>
  )
}

/** A value as indented JSON. */
export function Json({ value, what }: { value: unknown; what: string }) {
  return <Code text={JSON.stringify(value, null, 2) ?? ""} what={what} isJson />
}

function coloured(text: string) {
  let end = 0
  const parts = [...text.matchAll(JSON_PARTS)].flatMap((match) => {
    const [part, key, string] = match
    const before = text.slice(end, match.index)
    end = match.index + part.length
    const kind = key === undefined ? (string === undefined ? "word" : "string") : "key"
    return [before, <span class={`code-${kind}`}>{part}</span>]
  })
  return [...parts, text.slice(end)]
}
