import "./endpoints.css"

/** What is cut in a list is read in full on hover. */
export function Clip({ text }: { text: string }) {
  return (
    <span class="clip" title={text}>
      {text}
    </span>
  )
}
