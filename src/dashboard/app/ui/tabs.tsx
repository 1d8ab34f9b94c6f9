import "./tabs.css"

export interface Tab {
  href: string
  label: string
  isCurrent: boolean
  count?: number | undefined
}

/** Links to the parts of one thing; which one is shown stands in the address. */
export function Tabs({ label, tabs }: { label: string; tabs: readonly Tab[] }) {
  return (
    <nav class="tabs" aria-label={label}>
      {tabs.map(({ href, label: words, isCurrent, count }) => (
        <a key={href} href={href} aria-current={isCurrent ? "page" : undefined}>
          {words}
          {count !== undefined && <span class="chip-count number"> {count.toLocaleString()}</span>}
        </a>
      ))}
    </nav>
  )
}
