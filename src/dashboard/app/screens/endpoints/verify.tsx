import { useEffect, useState } from "preact/hooks"

import { useQuery } from "../../frame/query.ts"
import { Code } from "../../ui/code.tsx"
import { Loading } from "../../ui/empty.tsx"
import { Chips } from "../../ui/state.tsx"

interface Snippet {
  label: string
  install?: string
  code: string
}

/** How a receiver verifies what it gets, in eight languages; loaded when it is looked at. */
export function Verify() {
  const [chosen, setChosen] = useQuery("language", "javascript")
  const [snippets, setSnippets] = useState<Readonly<Record<string, Snippet>>>({})
  useEffect(() => void import("./snippets.ts").then((loaded) => setSnippets(loaded.SNIPPETS)), [])
  const snippet = snippets[chosen] ?? Object.values(snippets)[0]
  return (
    <section class="card padded stack-s">
      <h2>Verify</h2>
      <p class="quiet">
        It takes the body as it arrived, before it is parsed, and the headers <code>webhook-id</code>,{" "}
        <code>webhook-timestamp</code> and <code>webhook-signature</code>. Libraries of Standard Webhooks do
        the same.
      </p>
      <Chips
        label="Language"
        value={chosen}
        onChange={setChosen}
        chips={Object.entries(snippets).map(([value, { label }]) => ({ value, label }))}
      />
      {snippet ? (
        <>
          {snippet.install && <Code text={snippet.install} what="command" />}
          <Code text={snippet.code} what="code" />
        </>
      ) : (
        <Loading />
      )}
    </section>
  )
}
