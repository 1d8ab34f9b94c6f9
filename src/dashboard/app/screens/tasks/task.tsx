import { api, ask, type Schemas } from "../../api/client.ts"
import { Page, Waiting } from "../../frame/page.tsx"
import { useAnswer } from "../../live/answer.ts"
import { at, type Screen, type ScreenProps } from "../../screen.ts"
import { Button } from "../../ui/button.tsx"
import { Progress } from "../../ui/chart.tsx"
import { Id } from "../../ui/copy.tsx"
import { Facts } from "../../ui/facts.tsx"
import { Ago } from "../../ui/time.tsx"
import { say } from "../../ui/toast.tsx"
import { TaskState, taskName } from "./state.tsx"

export const task: Screen = { path: "/tasks/:task", component: Task }

const CRUMBS = [{ href: at("tasks"), label: "Tasks" }]
const WHY = {
  canceled: "It was canceled: what its steps had done until then stays.",
  internal: "It was tried too often without getting further.",
} as const

/** One task, how far it is, and its end before its time. */
function Task({ params: { task: id = "" } }: ScreenProps) {
  const path = { task_id: id }
  const live = useAnswer("/api/v1/background-task/{task_id}", { path })
  const { data, reload } = live
  if (data === undefined) return <Waiting title="Task" crumbs={CRUMBS} live={live} />
  async function cancel() {
    await ask(api.POST("/api/v1/background-task/{task_id}/cancel", { params: { path } }))
    await reload()
    say("Canceled.")
  }
  return (
    <Page
      title={taskName(data)}
      crumbs={CRUMBS}
      about={
        <>
          <TaskState task={data} />
          <Id id={data.id} />
        </>
      }
      actions={
        data.status === "running" && (
          <Button
            kind="danger"
            needs="CreateAttempts"
            onClick={cancel}
            confirm="Cancel this task? What it has done stays."
          >
            Cancel task
          </Button>
        )
      }
    >
      <Details task={data} />
    </Page>
  )
}

function Details({ task: { status, data, updatedAt } }: { task: Schemas["BackgroundTaskOut"] }) {
  return (
    <>
      {status === "running" && <Progress label="The task goes on" />}
      {data.reason && <p class="card padded">{WHY[data.reason]}</p>}
      <Facts
        facts={[
          ["Messages so far", data.processed.toLocaleString()],
          ["Last step", <Ago key="updated" at={updatedAt} />],
        ]}
      />
    </>
  )
}
