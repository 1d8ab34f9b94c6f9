import "./messages.css"
import type { Schemas } from "../../api/client.ts"
import { at } from "../../screen.ts"
import { Id } from "../../ui/copy.tsx"
import { List, type ListProps } from "../../ui/list.tsx"
import { Ago } from "../../ui/time.tsx"
import { Clip } from "../endpoints/clip.tsx"
import { VerdictState } from "./verdict.tsx"

/** Every endpoint with what it gets of a message, and why not. */
export function VerdictTable({
  app,
  message,
  ...list
}: {
  app: string
  message: string
} & Pick<ListProps<Schemas["EndpointVerdictOut"]>, "live" | "none">) {
  return (
    <List
      {...list}
      label="Endpoints of the message"
      isStacked
      keyOf={({ endpointId }) => endpointId}
      href={({ endpointId }) => at("app", app, "messages", message, endpointId)}
      columns={[
        { title: "Endpoint", cell: ({ url }) => <Clip text={url} /> },
        { title: "Verdict", cell: (verdict) => <VerdictState verdict={verdict} /> },
        { title: "Why", cell: ({ explanation }) => <span class="why">{explanation}</span> },
        {
          title: "Next attempt",
          cell: ({ nextAttempt }) => nextAttempt && <Ago at={nextAttempt} isShort />,
          isExtra: true,
        },
        {
          title: "Id",
          cell: ({ endpointUid, endpointId }) => <Id id={endpointUid ?? endpointId} isShort />,
          isExtra: true,
        },
      ]}
    />
  )
}
