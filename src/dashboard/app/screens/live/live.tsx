import "./live.css"
import { Page } from "../../frame/page.tsx"
import { useQuery } from "../../frame/query.ts"
import { useAnswer } from "../../live/answer.ts"
import { at, type Screen } from "../../screen.ts"
import { Button } from "../../ui/button.tsx"
import { Id } from "../../ui/copy.tsx"
import { Empty, Loading, Wrong } from "../../ui/empty.tsx"
import { Select } from "../../ui/field.tsx"
import { Search } from "../../ui/search.tsx"
import { Chips, State, type Tone } from "../../ui/state.tsx"
import { Table } from "../../ui/table.tsx"
import { duration, Time } from "../../ui/time.tsx"
import { type Activity, beganAt, keyOf, useTail } from "./tail.ts"

export const live: Screen = { path: "/live", component: Live, menu: { of: "operator", label: "Live" } }

const KINDS = { event: "Messages", attempt: "Attempts", task: "Tasks", upload: "Uploads" } as const

const TONES: Readonly<Record<string, Tone>> = {
  delivered: "good",
  dispatched: "good",
  finished: "good",
  completed: "good",
  failed: "bad",
  canceled: "idle",
}

const SORTS = {
  newest: { words: "Newest first", by: (one: Activity) => -beganAt(one) },
  slowest: { words: "Slowest first", by: (one: Activity) => -(one.runtimeMs ?? 0) },
  tries: { words: "Most tries first", by: (one: Activity) => -one.tries },
} as const

/** What happens in all applications, as it happens. */
function Live() {
  const [pause, setPause] = useQuery("pause", "")
  const [kind, setKind] = useQuery<"" | Activity["kind"]>("kind", "")
  const [state, setState] = useQuery("state", "")
  const [search, setSearch] = useQuery("search", "")
  const [sort, setSort] = useQuery<keyof typeof SORTS>("sort", "newest")
  const { rows, error, look } = useTail(pause !== "")
  const found = (rows ?? []).filter((one) => isFound(one, search))
  const ofKind = found.filter((one) => kind === "" || one.kind === kind)
  const shown = ofKind.filter((one) => state === "" || one.state === state)
  const { by } = SORTS[sort] ?? SORTS.newest
  return (
    <Page
      title="Live"
      about={
        pause === "" ? (
          <State tone="good">As it happens</State>
        ) : (
          <State tone="warn">Paused: nothing moves</State>
        )
      }
      actions={
        <Button
          onClick={async () => {
            setPause(pause === "" ? "1" : "")
            if (pause !== "") await look()
          }}
        >
          {pause === "" ? "Pause" : "Go on"}
        </Button>
      }
    >
      <Queues />
      <div class="live-filters">
        <Search label="Name, id, application, URL or result" value={search} onChange={setSearch} />
        <Select
          label="Sort"
          value={sort}
          onChange={setSort}
          options={Object.entries(SORTS).map(([value, { words }]) => [value as keyof typeof SORTS, words])}
        />
      </div>
      <Chips
        label="Kind"
        value={kind}
        onChange={setKind}
        chips={[
          { value: "", label: "All", count: found.length },
          ...(Object.keys(KINDS) as Activity["kind"][]).map((value) => ({
            value,
            label: KINDS[value],
            count: found.filter((one) => one.kind === value).length,
          })),
        ]}
      />
      <Chips
        label="State"
        value={state}
        onChange={(next) => setState(next === state ? "" : next)}
        chips={[...Map.groupBy(ofKind, (one) => one.state)].map(([value, { length }]) => ({
          value,
          label: value,
          count: length,
          tone: TONES[value] ?? "busy",
        }))}
      />
      {rows === undefined ? (
        error ? (
          <Wrong error={error} />
        ) : (
          <Loading />
        )
      ) : shown.length === 0 ? (
        <Empty title={rows.length === 0 ? "Nothing in the last hour" : "Nothing like that"}>
          What happens in any application appears here.
        </Empty>
      ) : (
        <Rows rows={shown.toSorted((a, b) => by(a) - by(b))} />
      )}
    </Page>
  )
}

function Rows({ rows }: { rows: readonly Activity[] }) {
  return (
    <Table
      label="What happens"
      rows={rows}
      keyOf={keyOf}
      href={hrefOf}
      columns={[
        { title: "Name", cell: ({ name }) => name },
        {
          title: "State",
          cell: ({ state }) => <State tone={TONES[state] ?? "busy"}>{state}</State>,
        },
        { title: "Result", cell: ({ result }) => result },
        { title: "Application", cell: ({ application }) => application.name, isExtra: true },
        { title: "Received", cell: ({ receivedAt }) => <Time at={receivedAt} />, isExtra: true },
        { title: "Started", cell: ({ startedAt }) => startedAt && <Time at={startedAt} />, isExtra: true },
        {
          title: "Runtime",
          cell: ({ runtimeMs }) => runtimeMs !== null && duration(runtimeMs),
          isNumber: true,
          isExtra: true,
        },
        { title: "Tries", cell: ({ tries }) => tries, isNumber: true, isExtra: true },
        { title: "Id", cell: ({ id }) => <Id id={id} isShort />, isExtra: true },
      ]}
    />
  )
}

/** The queues, each with how many jobs wait in it. */
function Queues() {
  const { data } = useAnswer("/health", {})
  if (data === undefined) return null
  return (
    <ul class="row" aria-label="Queues">
      {Object.entries(data.queues.backlog).map(([name, waiting]) => (
        <li key={name} class="row">
          <span class="quiet">Queue {name}</span>
          {waiting === null ? (
            <State tone="bad">does not answer</State>
          ) : (
            <State tone={waiting === 0 ? "good" : "busy"}>{waiting.toLocaleString()} waiting</State>
          )}
        </li>
      ))}
    </ul>
  )
}

function hrefOf({ kind, id, application, messageId, endpointId }: Activity): string {
  if (kind === "task") return at("tasks", id)
  if (kind === "upload") return `${at("uploads")}?upload=${id}`
  if (messageId === null) return at("app", application.id, "messages")
  const message = ["app", application.id, "messages", messageId]
  return endpointId === null ? at(...message) : `${at(...message, endpointId)}?attempt=${id}`
}

function isFound(
  { name, id, state, result, url, messageId, application }: Activity,
  search: string,
): boolean {
  const texts = [name, id, state, result, url, messageId, application.name, application.uid]
  const wanted = search.trim().toLowerCase()
  return texts.some((text) => text?.toLowerCase().includes(wanted))
}
