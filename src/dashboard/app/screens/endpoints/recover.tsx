import { useEffect } from "preact/hooks"

import { api, ask, type Schemas } from "../../api/client.ts"
import { useQuery } from "../../frame/query.ts"
import { useLive } from "../../live/live.ts"
import { useUntil } from "../../live/until.ts"
import { at } from "../../screen.ts"
import { can } from "../../session/state.ts"
import { Button, ButtonLink } from "../../ui/button.tsx"
import { Progress } from "../../ui/chart.tsx"
import { Wrong } from "../../ui/empty.tsx"
import { Select } from "../../ui/field.tsx"
import { Shown } from "../../ui/shown.tsx"
import { say } from "../../ui/toast.tsx"
import type { PartProps } from "./endpoint.tsx"

type Counts = Schemas["DeliveryCountsOut"]

const HOUR_MS = 3600_000
const SPANS = [
  ["1", "the last hour"],
  ["24", "the last 24 hours"],
  ["168", "the last 7 days"],
  ["336", "the last 14 days"],
] as const

/** What has failed, sent again: first how much it is, then how far it has come. */
export function Recover(props: PartProps) {
  const [task, setTask] = useQuery("task", "")
  return task === "" ? (
    <Choice {...props} onStart={(id) => setTask(id, "push")} />
  ) : (
    <Running {...props} task={task} onLeave={() => setTask("", "push")} />
  )
}

function Choice({ app, endpoint, onStart }: PartProps & { onStart: (task: string) => void }) {
  const [chosen, setChosen] = useQuery("since", "24")
  const params = { path: { app_id: app, endpoint_id: endpoint.id } }
  const counts = useLive(
    (signal) =>
      ask(
        api.GET("/api/v1/app/{app_id}/endpoint/{endpoint_id}/delivery-counts", {
          params: { ...params, query: { since: sinceOf(chosen) } },
          signal,
        }),
      ),
    [app, endpoint.id, chosen],
    { isOn: false },
  )
  async function start() {
    const { id } = await ask(
      api.POST("/api/v1/app/{app_id}/endpoint/{endpoint_id}/recover", {
        params,
        body: { since: sinceOf(chosen) },
      }),
    )
    onStart(id)
  }
  const isMoment = !SPANS.some(([hours]) => hours === chosen)
  return (
    <section class="card padded stack">
      <p class="quiet">
        Sends again what has failed for good, with a fresh schedule of retries. What still waits for a retry
        goes on by itself.
      </p>
      <div class="narrow">
        <Select
          label="Messages of"
          value={chosen}
          onChange={setChosen}
          options={
            isMoment
              ? [[chosen, `the time since ${new Date(chosen).toLocaleString()}`], ...SPANS]
              : (SPANS as readonly (readonly [string, string])[])
          }
        />
      </div>
      <Shown live={counts} rows={1}>
        {(counted) => (
          <>
            <Figures counts={counted} />
            {endpoint.disabled && <p class="quiet">Enable the endpoint first: nothing is sent to it now.</p>}
            {can("CreateAttempts") ? (
              <div class="buttons">
                <Button
                  kind="primary"
                  disabled={(counted.failed === 0 && counted.isComplete) || endpoint.disabled}
                  onClick={start}
                >
                  {offerOf(counted)}
                </Button>
              </div>
            ) : (
              <p class="quiet">Whoever came by this link may not send anything.</p>
            )}
          </>
        )}
      </Shown>
    </section>
  )
}

function Figures({ counts }: { counts: Counts }) {
  const figures = [
    ["Failed", counts.failed],
    ["Retrying", counts.sending + counts.retrying],
    ["Pending", counts.pending],
    ["Delivered", counts.delivered],
    ["Canceled", counts.canceled],
  ] as const
  return (
    <dl class="figures">
      {figures.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            {value.toLocaleString()}
            {!counts.isComplete && "+"}
          </dd>
        </div>
      ))}
    </dl>
  )
}

function offerOf({ failed, isComplete }: Counts): string {
  if (!isComplete) return "Send what failed again"
  return failed === 0 ? "Nothing to send again" : `Send ${failed.toLocaleString()} again`
}

function Running({
  app,
  endpoint,
  reload,
  task,
  onLeave,
}: PartProps & { task: string; onLeave: () => void }) {
  const params = { path: { task_id: task } }
  const { data, error } = useUntil(
    () => ask(api.GET("/api/v1/background-task/{task_id}", { params })),
    ({ status }) => status !== "running",
    task,
  )
  const isOver = data !== undefined && data.status !== "running"
  useEffect(() => {
    if (isOver) void reload()
  }, [isOver])
  async function cancel() {
    await ask(api.POST("/api/v1/background-task/{task_id}/cancel", { params }))
    say("It ends with the step that is under way.")
  }
  if (data === undefined) return error ? <Wrong error={error} /> : <p class="quiet">Asking how far it is…</p>
  return (
    <section class="card padded stack" aria-label="Recovery">
      <p role="status">{wordsFor(data)}</p>
      <Progress label="How much of the time is looked through" value={data.data.share} max={1} />
      <div class="buttons">
        {isOver ? (
          <>
            <ButtonLink href={at("app", app, "endpoints", endpoint.id)}>See the deliveries</ButtonLink>
            <Button kind="quiet" onClick={onLeave}>
              Recover more
            </Button>
          </>
        ) : (
          <Button needs="CreateAttempts" onClick={cancel}>
            Cancel
          </Button>
        )}
      </div>
    </section>
  )
}

function wordsFor({ status, data: { processed, reason } }: Schemas["BackgroundTaskOut"]): string {
  const done = `${processed.toLocaleString()} ${processed === 1 ? "message is" : "messages are"} due again`
  if (status === "running") return `${done} so far.`
  if (status === "finished") return `Done: ${done}, and on the way.`
  return reason === "canceled"
    ? `Canceled. ${done}, and sent all the same.`
    : `It ended with a fault of ours. ${done}; start it once more for the rest.`
}

/** A moment as it stands in the address, or so many hours ago. */
function sinceOf(chosen: string): string {
  const hours = Number(chosen)
  return Number.isNaN(hours) ? chosen : new Date(Date.now() - hours * HOUR_MS).toISOString()
}
