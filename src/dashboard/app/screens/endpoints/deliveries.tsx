import type { Schemas } from "../../api/client.ts"
import { useQuery } from "../../frame/query.ts"
import { useAnswer } from "../../live/answer.ts"
import { at } from "../../screen.ts"
import { Id } from "../../ui/copy.tsx"
import { Empty } from "../../ui/empty.tsx"
import { List } from "../../ui/list.tsx"
import { type Chip, Chips, State, type Tone } from "../../ui/state.tsx"
import { Ago, Time } from "../../ui/time.tsx"
import type { PartProps } from "./endpoint.tsx"
import { TypeFilter } from "./type-filter.tsx"

type Status = Schemas["MessageStatus"]
type Filter = "" | `${Status}`

const STATES: Record<Status, readonly [Tone, string]> = {
  0: ["good", "Delivered"],
  1: ["busy", "Pending"],
  2: ["bad", "Failed"],
  3: ["warn", "Retrying"],
}

/** The messages to an endpoint, and how far each is. */
export function Deliveries({ app, endpoint: { id } }: PartProps) {
  const [status, setStatus] = useQuery<Filter>("status", "")
  const [from] = useQuery("from", "")
  const path = { app_id: app, endpoint_id: id }
  const [type] = useQuery("type", "")
  const counts = useAnswer("/api/v1/app/{app_id}/endpoint/{endpoint_id}/delivery-counts", { path })
  const live = useAnswer("/api/v1/app/{app_id}/endpoint/{endpoint_id}/msg", {
    path,
    query: {
      limit: 50,
      with_content: false,
      iterator: from,
      ...(status !== "" && { status: Number(status) as Status }),
      ...(type && { event_types: [type] }),
    },
  })
  return (
    <>
      <div class="filters">
        <Chips label="State" value={status} onChange={setStatus} chips={chipsOf(counts.data)} />
        <TypeFilter />
      </div>
      <List
        live={live}
        none={
          <Empty title={status === "" && type === "" ? "Nothing was sent here yet" : "Nothing of that kind"}>
            Messages of the types that the endpoint listens to are listed here, with what became of them.
          </Empty>
        }
        label="Deliveries"
        keyOf={(message) => message.id}
        href={(message) => at("app", app, "messages", message.id, id)}
        columns={[
          { title: "Type", cell: ({ eventType }) => eventType },
          {
            title: "State",
            cell: (message) => {
              const [tone, words] = STATES[message.status]
              return <State tone={tone}>{words}</State>
            },
          },
          { title: "Message", cell: (message) => <Id id={message.id} isShort />, isExtra: true },
          {
            title: "Next attempt",
            cell: ({ nextAttempt }) => nextAttempt && <Ago at={nextAttempt} />,
            isExtra: true,
          },
          { title: "Sent", cell: ({ timestamp }) => <Time at={timestamp} /> },
        ]}
      />
    </>
  )
}

function chipsOf(counts: Schemas["DeliveryCountsOut"] | undefined): Chip<Filter>[] {
  const chip = (value: Filter, label: string, tone: Tone, ...parts: (keyof Counts)[]): Chip<Filter> => ({
    value,
    label,
    tone,
    count: counts && parts.reduce((sum, part) => sum + counts[part], 0),
    isAtLeast: counts?.isComplete === false,
  })
  return [
    { value: "", label: "All" },
    chip("0", "Delivered", "good", "delivered"),
    chip("3", "Retrying", "warn", "sending", "retrying"),
    chip("2", "Failed", "bad", "failed", "canceled"),
    chip("1", "Pending", "busy", "pending"),
  ]
}

type Counts = Omit<Schemas["DeliveryCountsOut"], "isComplete">
