import { useQuery } from "../frame/query.ts"
import { Button } from "./button.tsx"

/** What lists answer with. */
export interface Listed<Data> {
  data: Data
  done: boolean
  iterator: string | null
}

/** Leads from one page of a list to the next; which one is shown stands in the address, and the way back is the browser's. */
export function Pager({ page }: { page: Listed<unknown> }) {
  const [iterator, setIterator] = useQuery("from", "")
  if (page.done && iterator === "") return null
  return (
    <nav class="row" aria-label="Pages">
      {iterator !== "" && <Button onClick={() => setIterator("")}>First page</Button>}
      {!page.done && <Button onClick={() => setIterator(page.iterator ?? "", "push")}>Next page</Button>}
    </nav>
  )
}
