import { api, ask, type Schemas } from "../../api/client.ts"
import { useQuery } from "../../frame/query.ts"
import { useLive } from "../../live/live.ts"
import { Bars, Sparkline } from "../../ui/chart.tsx"
import { Shown } from "../../ui/shown.tsx"
import { Chips, State } from "../../ui/state.tsx"
import { Table } from "../../ui/table.tsx"
import { Ago, duration, inText } from "../../ui/time.tsx"
import type { PartProps } from "./endpoint.tsx"
import { Figure, toBar } from "./health.tsx"

type History = Schemas["EndpointHistoryOut"]
type Hour = History["hours"][number]

const HOUR_MS = 3600_000
const SPANS = {
  day: { label: "24 hours", hours: 24, perBar: 1 },
  week: { label: "7 days", hours: 168, perBar: 6 },
} as const
type Span = keyof typeof SPANS

/** Why no answer came, in words; answers are known by their status. */
const RESULTS: Readonly<Record<string, string>> = {
  timeout: "Timeout",
  connection: "No connection",
  "name-or-tls": "Name or certificate",
  malformed: "Not HTTP",
  "refused-target": "Target not allowed",
  internal: "Fault of ours",
}

/** What was attempted at an endpoint: hour by hour, how it ended, of which types, and how long answers took. */
export function Activity({ app, endpoint: { id } }: PartProps) {
  const [chosen, setSpan] = useQuery<Span>("span", "day")
  const span = SPANS[chosen] ?? SPANS.day
  const live = useLive(
    (signal) =>
      ask(
        api.GET("/api/v1/app/{app_id}/endpoint/{endpoint_id}/history", {
          params: {
            path: { app_id: app, endpoint_id: id },
            query: { since: new Date(Date.now() - (span.hours - 1) * HOUR_MS).toISOString() },
          },
          signal,
        }),
      ),
    [app, id, span.hours],
  )
  return (
    <div class="stack">
      <Chips
        label="Time"
        value={chosen}
        onChange={setSpan}
        chips={Object.entries(SPANS).map(([value, { label }]) => ({ value: value as Span, label }))}
      />
      <Shown live={live}>{(history) => <Charts history={history} perBar={span.perBar} />}</Shown>
    </div>
  )
}

function Charts({ history: { hours, total }, perBar }: { history: History; perBar: number }) {
  const attempts = total.success + total.fail
  const slowest = Math.max(0, ...hours.map(({ p95Ms }) => p95Ms ?? 0))
  return (
    <>
      <section class="card padded stack">
        <dl class="figures">
          <Figure name="Attempts">{attempts.toLocaleString()}</Figure>
          <Figure name="Success">{shareOf(total.success, attempts)}</Figure>
          <Figure name="p50">{lengthOf(total.p50Ms)}</Figure>
          <Figure name="p95">{lengthOf(total.p95Ms)}</Figure>
          <Figure name="Last success">{total.lastSuccessAt ? <Ago at={total.lastSuccessAt} /> : "–"}</Figure>
          <Figure name="Last failure">{total.lastFailureAt ? <Ago at={total.lastFailureAt} /> : "–"}</Figure>
        </dl>
        <figure class="chart">
          <Bars
            label={`Attempts by hour: ${total.success} taken, ${total.fail} failed`}
            bars={together(hours, perBar).map(toBar)}
            height={72}
          />
          <Ends hours={hours} />
        </figure>
        <figure class="chart">
          <Sparkline
            label={`p95 of answers by hour, ${lengthOf(slowest)} at most`}
            values={hours.map(({ p95Ms }) => p95Ms ?? 0)}
            height={28}
          />
          <figcaption>
            <span>p95 by hour</span>
            <span>{lengthOf(slowest)} at most</span>
          </figcaption>
        </figure>
      </section>
      {attempts > 0 && (
        <div class="halves">
          <Results results={total.results} attempts={attempts} />
          <Types types={total.eventTypes} />
        </div>
      )}
    </>
  )
}

function Ends({ hours }: { hours: readonly Hour[] }) {
  const first = hours[0]?.start
  return (
    <figcaption>
      <span>{first && inText(first)}</span>
      <span>now</span>
    </figcaption>
  )
}

function Results({ results, attempts }: { results: Hour["results"]; attempts: number }) {
  return (
    <Table
      label="By how attempts ended"
      rows={Object.entries(results)
        .filter(([, count]) => count > 0)
        .sort(([, one], [, other]) => other - one)}
      keyOf={([result]) => result}
      columns={[
        {
          title: "Answer",
          cell: ([result]) => (
            <State tone={result === "2xx" ? "good" : "bad"}>{RESULTS[result] ?? result}</State>
          ),
        },
        { title: "Attempts", cell: ([, count]) => count.toLocaleString(), isNumber: true },
        { title: "Share", cell: ([, count]) => shareOf(count, attempts), isNumber: true },
      ]}
    />
  )
}

function Types({ types }: { types: History["total"]["eventTypes"] }) {
  return (
    <Table
      label="By event type"
      rows={types}
      keyOf={({ eventType }) => eventType ?? ""}
      columns={[
        { title: "Type", cell: ({ eventType }) => eventType ?? <span class="quiet">others</span> },
        { title: "Taken", cell: ({ success }) => success.toLocaleString(), isNumber: true },
        { title: "Failed", cell: ({ fail }) => fail.toLocaleString(), isNumber: true },
      ]}
    />
  )
}

/** So many hours in one bar each. */
function together(hours: readonly Hour[], perBar: number): Pick<Hour, "start" | "success" | "fail">[] {
  return Array.from({ length: Math.ceil(hours.length / perBar) }, (_, bar) => {
    const own = hours.slice(bar * perBar, (bar + 1) * perBar)
    return {
      start: own[0]?.start ?? "",
      success: own.reduce((sum, { success }) => sum + success, 0),
      fail: own.reduce((sum, { fail }) => sum + fail, 0),
    }
  })
}

function shareOf(part: number, whole: number): string {
  if (whole === 0) return "–"
  const share = (100 * part) / whole
  // 100 % is said of all alone.
  return `${share === 100 || share === 0 ? share : Math.min(share, 99.9).toFixed(1)} %`
}

function lengthOf(ms: number | null): string {
  return ms === null || ms === 0 ? "–" : duration(ms)
}
