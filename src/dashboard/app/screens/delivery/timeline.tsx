import type { Schemas } from "../../api/client.ts"
import { addressWith } from "../../frame/query.ts"
import { State } from "../../ui/state.tsx"
import { Table } from "../../ui/table.tsx"
import { duration, Time } from "../../ui/time.tsx"

type Attempt = Schemas["MessageAttemptOut"]

/** The attempts of a delivery, the newest first; one of them is looked at. */
export function Timeline({ attempts, current }: { attempts: readonly Attempt[]; current: string }) {
  return (
    <Table
      label="Attempts"
      rows={attempts}
      keyOf={({ id }) => id}
      isCurrent={({ id }) => id === current}
      href={({ id }) => addressWith("attempt", id)}
      columns={[
        { title: "Attempt", cell: (attempt) => `#${attempts.length - attempts.indexOf(attempt)}` },
        { title: "Outcome", cell: (attempt) => <Outcome attempt={attempt} /> },
        {
          title: "Trigger",
          cell: ({ triggerType }) => (triggerType === 1 ? "By hand" : "Schedule"),
          isExtra: true,
        },
        { title: "URL", cell: ({ url }) => url, isExtra: true },
        { title: "Took", cell: ({ responseDurationMs }) => duration(responseDurationMs), isNumber: true },
        { title: "At", cell: ({ timestamp }) => <Time at={timestamp} /> },
      ]}
    />
  )
}

function Outcome({ attempt: { status, responseStatusCode, response } }: { attempt: Attempt }) {
  const words = responseStatusCode === 0 ? response : String(responseStatusCode)
  return <State tone={status === 0 ? "good" : "bad"}>{words}</State>
}
