import type { Schemas } from "../../api/client.ts"
import { Page } from "../../frame/page.tsx"
import { useQuery } from "../../frame/query.ts"
import { useAnswer } from "../../live/answer.ts"
import { at, type Screen } from "../../screen.ts"
import { Empty } from "../../ui/empty.tsx"
import { Shown } from "../../ui/shown.tsx"
import { Chips, State, type Tone } from "../../ui/state.tsx"
import { Table } from "../../ui/table.tsx"
import { Ago } from "../../ui/time.tsx"
import { Cards } from "./cards.tsx"
import { causeOf, groupsOf, keyOfGroup } from "./words.ts"

type Attention = Schemas["AttentionOut"]
type Unwell = Attention["endpoints"][number]

export const attention: Screen = {
  path: "/attention",
  component: Attention,
  menu: { of: "operator", label: "Needs attention" },
}

/** Those in which an endpoint is unwell: others are not answered. */
const STATES: Partial<Record<Unwell["state"], readonly [Tone, string]>> = {
  failing: ["bad", "Failing"],
  paused: ["warn", "Paused"],
  disabled: ["idle", "Disabled"],
}

/** What needs a person, in all applications. */
function Attention() {
  const live = useAnswer("/api/v1/overview/attention", {})
  return (
    <Page title="Needs attention" about="All applications at once.">
      <Shown live={live}>
        {(data) => (
          <>
            <Cards pace={data.pace} health={data.health} />
            <Endpoints {...data} />
            {data.stuck.length > 0 && <Stuck stuck={data.stuck} />}
            {data.tasks.length > 0 && <Running tasks={data.tasks} />}
          </>
        )}
      </Shown>
    </Page>
  )
}

function Endpoints({ endpoints, isComplete }: Pick<Attention, "endpoints" | "isComplete">) {
  const [state, setState] = useQuery<"" | Unwell["state"]>("state", "")
  const [group, setGroup] = useQuery("group", "")
  if (endpoints.length === 0) {
    return <Empty title="Every endpoint is well" />
  }
  const inState = endpoints.filter((one) => state === "" || one.state === state)
  const groups = groupsOf(inState)
  const shown = inState.filter((one) => group === "" || keyOfGroup(one) === group)
  return (
    <section class="stack-s">
      <h2>Endpoints</h2>
      <Chips
        label="State"
        value={state}
        onChange={setState}
        chips={[
          { value: "", label: "All", count: endpoints.length },
          ...Object.entries(STATES).map(([value, [tone, label]]) => ({
            value: value as Unwell["state"],
            label,
            tone,
            count: endpoints.filter((one) => one.state === value).length,
          })),
        ]}
      />
      {groups.length > 0 && (
        <Chips
          label="Host and cause"
          value={group}
          onChange={(next) => setGroup(next === group ? "" : next)}
          chips={groups}
        />
      )}
      <Table
        label="Endpoints that need attention"
        isStacked
        rows={shown}
        keyOf={({ id }) => id}
        href={({ application, id }) => at("app", application.id, "endpoints", id)}
        columns={[
          { title: "Endpoint", cell: ({ url }) => url },
          {
            title: "State",
            cell: (one) => {
              const [tone, words] = STATES[one.state] ?? ["warn", one.state]
              return <State tone={tone}>{words}</State>
            },
          },
          { title: "Application", cell: ({ application }) => application.name },
          { title: "Cause", cell: causeOf },
          { title: "Since", cell: sinceOf, isExtra: true },
          {
            title: "Owed",
            cell: ({ pending }) => (pending > 100 ? "100+" : pending),
            isNumber: true,
            isExtra: true,
          },
          {
            title: "Next attempt",
            cell: ({ nextAttempt }) => nextAttempt && <Ago at={nextAttempt} />,
            isExtra: true,
          },
        ]}
      />
      {!isComplete && <p class="quiet">There are more, with older trouble.</p>}
    </section>
  )
}

function sinceOf({ disabledAt, failingSince }: Unwell) {
  const since = disabledAt ?? failingSince
  return since && <Ago at={since} />
}

function Stuck({ stuck }: Pick<Attention, "stuck">) {
  return (
    <section class="stack-s">
      <h2>Messages that should be on their way</h2>
      <Table
        label="Stuck messages"
        rows={stuck}
        keyOf={({ id }) => id}
        href={({ application, id }) => at("app", application.id, "messages", id)}
        columns={[
          { title: "Type", cell: ({ eventType }) => eventType },
          { title: "Application", cell: ({ application }) => application.name },
          { title: "Sent", cell: ({ createdAt }) => <Ago at={createdAt} /> },
        ]}
      />
    </section>
  )
}

function Running({ tasks }: Pick<Attention, "tasks">) {
  return (
    <section class="stack-s">
      <h2>Running tasks</h2>
      <Table
        label="Running tasks"
        rows={tasks}
        keyOf={({ id }) => id}
        href={({ id }) => at("tasks", id)}
        columns={[
          { title: "Task", cell: ({ task }) => task },
          { title: "Application", cell: ({ application }) => application.name },
          { title: "Done", cell: ({ processed }) => processed.toLocaleString(), isNumber: true },
        ]}
      />
    </section>
  )
}
