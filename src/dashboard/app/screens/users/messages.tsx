import { api, ask, askPage } from "../../api/client.ts"
import { useLive } from "../../live/live.ts"
import { TextArea, TextField } from "../../ui/field.tsx"
import { Form } from "../../ui/form.tsx"
import { Shown } from "../../ui/shown.tsx"
import { Table } from "../../ui/table.tsx"
import { Time } from "../../ui/time.tsx"

const MOST_SHOWN = 50
const NOTHING = { sender: "", subject: "", message: "" }

/** The newest messages to a user, and a form for another one. */
export function Messages({ recipient }: { recipient: string }) {
  const live = useLive(
    (signal) =>
      askPage(
        api.GET("/users/messages", {
          params: { query: { recipient, order: "descending", limit: MOST_SHOWN } },
          signal,
        }),
      ),
    [recipient],
  )
  async function send(typed: typeof NOTHING) {
    await ask(api.POST("/users/messages", { body: { ...typed, recipient } }))
    return "The message is sent, and user_send_message on its way."
  }
  return (
    <>
      <Form
        title={`New message to ${recipient}`}
        verb="Send"
        initially={NOTHING}
        cleared={{ subject: "", message: "" }}
        submit={send}
        reload={live.reload}
      >
        {(fields) => (
          <>
            <TextField {...fields.sender} label="Sender" hint="The name of another user." required />
            <TextField {...fields.subject} label="Subject" hint="May be empty." />
            <TextArea {...fields.message} label="Message" rows={3} isWide />
          </>
        )}
      </Form>
      <Shown live={live} rows={2}>
        {({ data }) =>
          data.length === 0 ? (
            <p class="quiet wraps">{recipient} has no message yet.</p>
          ) : (
            <Table
              label={`Messages to ${recipient}`}
              rows={data}
              keyOf={({ received_at, sender, subject }) => `${received_at} ${sender} ${subject}`}
              columns={[
                { title: "Sender", cell: ({ sender }) => sender },
                { title: "Subject", cell: ({ subject }) => subject },
                { title: "Message", cell: ({ message: text }) => text, isExtra: true },
                { title: "Received", cell: ({ received_at }) => <Time at={received_at} /> },
              ]}
            />
          )
        }
      </Shown>
    </>
  )
}
