import "./inbox.css"
import { useLocation } from "preact-iso"
import { api, ask, type Schemas } from "../../api/client.ts"
import { Page, Waiting } from "../../frame/page.tsx"
import { addressWith, useQuery } from "../../frame/query.ts"
import { useAnswer } from "../../live/answer.ts"
import { at, type Screen, type ScreenProps } from "../../screen.ts"
import { Button } from "../../ui/button.tsx"
import { Code } from "../../ui/code.tsx"
import { Empty } from "../../ui/empty.tsx"
import { Pager } from "../../ui/pager.tsx"
import { Shown } from "../../ui/shown.tsx"
import { State } from "../../ui/state.tsx"
import { Table } from "../../ui/table.tsx"
import { Ago, Time } from "../../ui/time.tsx"
import { say } from "../../ui/toast.tsx"
import { Controls } from "./controls.tsx"
import { mannerOf } from "./manners.ts"
import { Request } from "./request.tsx"
import { SignatureState } from "./signature.tsx"

export const inbox: Screen = { path: "/inbox/:inbox", component: Inbox, isOperators: true }

const CRUMBS = [{ href: at("inbox"), label: "Inbox" }]

function Inbox({ params: { inbox: id = "" } }: ScreenProps) {
  const [from] = useQuery("from", "")
  const { route } = useLocation()
  const path = { inbox_id: id }
  const own = useAnswer("/api/v1/inbox/{inbox_id}", { path })
  const got = useAnswer("/api/v1/inbox/{inbox_id}/request", { path, query: { iterator: from } })
  async function clear() {
    await ask(api.DELETE("/api/v1/inbox/{inbox_id}/request", { params: { path } }))
    await got.reload()
  }
  async function remove() {
    await ask(api.DELETE("/api/v1/inbox/{inbox_id}", { params: { path } }))
    route(at("inbox"))
    say("The inbox is deleted.")
  }
  if (own.data === undefined) return <Waiting title="Inbox" crumbs={CRUMBS} live={own} />
  const { url, hasSecret, expiresAt } = own.data
  return (
    <Page
      title={`Inbox …${id.slice(-8)}`}
      crumbs={CRUMBS}
      about={
        <>
          <span>{mannerOf(own.data)}</span>
          {hasSecret ? (
            <State tone="good">Verifies</State>
          ) : (
            <State tone="idle">No secret to verify with</State>
          )}
          <span>
            Ends <Ago at={expiresAt} />
          </span>
        </>
      }
      actions={
        <>
          <Button onClick={clear} confirm="Forget what this inbox got?">
            Clear
          </Button>
          <Button kind="danger" onClick={remove} confirm="Delete this inbox with all that it got?">
            Delete
          </Button>
        </>
      }
    >
      <Code text={url} what="URL" />
      <Controls inbox={own.data} reload={() => Promise.all([own.reload(), got.reload()])} />
      <Shown live={got}>
        {(page) => (
          <>
            {page.data.length === 0 ? (
              <Empty title="Nothing has arrived yet" command={sendCommand(url)}>
                Register it above and let something happen, or send something yourself. It shows here by
                itself.
              </Empty>
            ) : (
              <Requests requests={page.data} />
            )}
            <Pager page={page} />
          </>
        )}
      </Shown>
    </Page>
  )
}

/** What came, the newest first, and one of it in full. */
function Requests({ requests }: { requests: Schemas["InboxRequestOut"][] }) {
  const [chosen] = useQuery("request", "")
  const shown = requests.find((request) => request.id === chosen) ?? requests[0]
  return (
    <div class="inbox-split">
      <Table
        label="Requests"
        rows={requests}
        keyOf={(request) => request.id}
        isCurrent={(request) => request === shown}
        href={(request) => addressWith("request", request.id)}
        columns={[
          { title: "Received", cell: ({ receivedAt }) => <Time at={receivedAt} /> },
          { title: "Signature", cell: ({ signature }) => <SignatureState signature={signature} /> },
          { title: "Answered", cell: ({ answeredStatus }) => answeredStatus ?? "nothing", isNumber: true },
        ]}
      />
      {shown && <Request request={shown} />}
    </div>
  )
}

function sendCommand(url: string): string {
  return `curl -X POST ${url} \\
  -H 'Content-Type: application/json' \\
  -d '{"hello": "world"}'`
}
