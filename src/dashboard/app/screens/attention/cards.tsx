import "./cards.css"
import type { ComponentChildren } from "preact"

import type { Schemas } from "../../api/client.ts"
import { Ago, duration } from "../../ui/time.tsx"

type Pace = Schemas["AttentionOut"]["pace"]
type Health = Schemas["Health"]

const MIB = 1024 * 1024

/** How fast things go and how the system is, in a figure each; what is not well says why. */
export function Cards({ pace, health }: { pace: Pace; health: Health }) {
  const { database, queues, sweep, dispatch, retries } = health
  const backlog = Object.values(queues.backlog).reduce<number>((sum, waiting) => sum + (waiting ?? 0), 0)
  return (
    <dl class="cards" aria-label="The system">
      <Card title="Messages a minute" value={pace.eventsPerMinute.toLocaleString()} />
      <Card title="Deliveries a minute" value={pace.deliveriesPerMinute.toLocaleString()} />
      <Card
        title="Success"
        value={pace.success === null ? "–" : percent(pace.success)}
        more="of the newest hour"
      />
      <Card title="Lag p50" value={msOf(pace.lagP50Ms)} more={<>p95 {msOf(pace.lagP95Ms)}</>} />
      <Card title="Not dispatched since" value={msOf(dispatch.oldestMs)} health={dispatch} />
      <Card title="Oldest due retry" value={msOf(retries.overdueMs)} health={retries} />
      <Card
        title="Database"
        value={database.bytes === null ? "–" : `${Math.ceil(database.bytes / MIB).toLocaleString()} MiB`}
        more={database.bytes !== null && `${percent(database.bytes / database.limitBytes)} full`}
        health={database}
      />
      <Card title="Jobs in queues" value={backlog.toLocaleString()} health={queues} />
      <Card
        title="Last sweep"
        value={sweep.lastAt === null ? "–" : <Ago at={sweep.lastAt} />}
        health={sweep}
      />
    </dl>
  )
}

function Card({
  title,
  value,
  more,
  health,
}: {
  title: string
  value: ComponentChildren
  more?: ComponentChildren
  health?: { status: string; detail: string | null }
}) {
  const isWell = health === undefined || health.status === "ok"
  const below = health?.detail ?? more
  return (
    <div class={`card figure ${isWell ? "" : "figure-bad"}`}>
      <dt>{title}</dt>
      <dd>{value}</dd>
      {below && <dd class="wraps">{below}</dd>}
    </div>
  )
}

function msOf(ms: number | null): string {
  return ms === null ? "–" : ms === 0 ? "0 ms" : duration(ms)
}

function percent(share: number): string {
  return `${(share * 100).toLocaleString(undefined, { maximumFractionDigits: 1 })} %`
}
