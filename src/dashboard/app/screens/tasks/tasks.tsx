import type { Schemas } from "../../api/client.ts"
import { Page } from "../../frame/page.tsx"
import { useQuery } from "../../frame/query.ts"
import { useAnswer } from "../../live/answer.ts"
import { at, type Screen } from "../../screen.ts"
import { Id } from "../../ui/copy.tsx"
import { Empty } from "../../ui/empty.tsx"
import { List } from "../../ui/list.tsx"
import { Chips } from "../../ui/state.tsx"
import { Time } from "../../ui/time.tsx"
import { TaskState, taskName } from "./state.tsx"

type Status = Schemas["BackgroundTaskOut"]["status"]

export const tasks: Screen = { path: "/tasks", component: Tasks, menu: { of: "operator", label: "Tasks" } }

/** Long work, how far each is. */
function Tasks() {
  const [status, setStatus] = useQuery<"" | Status>("status", "")
  const [from] = useQuery("from", "")
  const live = useAnswer("/api/v1/background-task", {
    query: { limit: 50, iterator: from, ...(status && { status }) },
  })
  return (
    <Page title="Tasks" about="Long work on many messages, done in steps.">
      <Chips
        label="State"
        value={status}
        onChange={setStatus}
        chips={[
          { value: "", label: "All" },
          { value: "running", label: "Running", tone: "busy" },
          { value: "finished", label: "Finished", tone: "good" },
          { value: "failed", label: "Failed or canceled", tone: "bad" },
        ]}
      />
      <List
        live={live}
        none={
          <Empty title={status === "" ? "No task yet" : "No task in this state"}>
            A task begins when an endpoint is told to recover what it has missed.
          </Empty>
        }
        label="Tasks"
        keyOf={({ id }) => id}
        href={({ id }) => at("tasks", id)}
        columns={[
          { title: "Task", cell: taskName },
          { title: "State", cell: (task) => <TaskState task={task} /> },
          { title: "Messages", cell: ({ data }) => data.processed.toLocaleString(), isNumber: true },
          { title: "Id", cell: ({ id }) => <Id id={id} isShort />, isExtra: true },
          { title: "Changed", cell: ({ updatedAt }) => <Time at={updatedAt} />, isExtra: true },
        ]}
      />
    </Page>
  )
}
