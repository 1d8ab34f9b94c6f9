import { useLocation } from "preact-iso"
import { api, ask } from "../../api/client.ts"
import { Page } from "../../frame/page.tsx"
import { useAnswer } from "../../live/answer.ts"
import { AUTHORIZATION } from "../../page.ts"
import { at, type Screen } from "../../screen.ts"
import { Button } from "../../ui/button.tsx"
import { Copy } from "../../ui/copy.tsx"
import { Empty } from "../../ui/empty.tsx"
import { Shown } from "../../ui/shown.tsx"
import { State } from "../../ui/state.tsx"
import { Table } from "../../ui/table.tsx"
import { Ago } from "../../ui/time.tsx"
import { mannerOf } from "./manners.ts"

export const inboxes: Screen = {
  path: "/inbox",
  component: Inboxes,
  menu: { of: "operator", label: "Inbox" },
}

const CREATE = `curl -X POST ${location.origin}/api/v1/inbox${AUTHORIZATION}`

function Inboxes() {
  const { route } = useLocation()
  const live = useAnswer("/api/v1/inbox", {})
  async function make() {
    const { id } = await ask(api.POST("/api/v1/inbox", {}))
    route(at("inbox", id))
  }
  return (
    <Page
      title="Inbox"
      about="A URL to try deliveries with: it shows what arrives, and answers as it is told to."
      actions={
        <Button kind="primary" onClick={make}>
          Make an inbox
        </Button>
      }
    >
      <Shown live={live} rows={3}>
        {({ data }) =>
          data.length === 0 ? (
            <Empty title="No inbox yet" command={CREATE}>
              No receiver of your own is needed to see what a delivery looks like. An inbox lives for a day
              and keeps the hundred newest requests.
            </Empty>
          ) : (
            <Table
              label="Inboxes"
              rows={data}
              keyOf={({ id }) => id}
              href={({ id }) => at("inbox", id)}
              columns={[
                {
                  title: "Inbox",
                  cell: ({ id }) => <code>…{id.slice(-8)}</code>,
                },
                { title: "What it does", cell: mannerOf },
                {
                  title: "Signatures",
                  cell: ({ hasSecret }) =>
                    hasSecret ? (
                      <State tone="good">Verifies</State>
                    ) : (
                      <State tone="idle">Not registered</State>
                    ),
                  isExtra: true,
                },
                {
                  title: "URL",
                  cell: ({ url }) => <Copy text={url} what="URL" />,
                  isExtra: true,
                },
                { title: "Made", cell: ({ createdAt }) => <Ago at={createdAt} />, isExtra: true },
                { title: "Ends", cell: ({ expiresAt }) => <Ago at={expiresAt} /> },
              ]}
            />
          )
        }
      </Shown>
    </Page>
  )
}
