import "./facts.css"
import type { ComponentChildren } from "preact"

/** Names and values. */
export function Facts({ facts }: { facts: readonly (readonly [name: string, value: ComponentChildren])[] }) {
  return (
    <dl class="card facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd class="wraps">{value}</dd>
        </div>
      ))}
    </dl>
  )
}
