import { useState } from "preact/hooks"

import { api, ask, askPage } from "../../api/client.ts"
import { useLive } from "../../live/live.ts"
import { TextArea, TextField } from "../../ui/field.tsx"
import { Form } from "../../ui/form.tsx"
import { Shown } from "../../ui/shown.tsx"
import { Table } from "../../ui/table.tsx"
import { Time } from "../../ui/time.tsx"
import { say } from "../../ui/toast.tsx"

const MOST_SHOWN = 50
const NOTHING = { sender: "", subject: "", message: "" }

/** The newest messages to a user, and a form for another one. */
export function Messages({ recipient }: { recipient: string }) {
  const [message, setMessage] = useState(NOTHING)
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
  const set = (name: keyof typeof NOTHING) => (value: string) =>
    setMessage((before) => ({ ...before, [name]: value }))
  async function send() {
    await ask(api.POST("/users/messages", { body: { ...message, recipient } }))
    setMessage({ ...NOTHING, sender: message.sender })
    say("The message is sent, and user_send_message on its way.")
    await live.reload()
  }
  return (
    <>
      <Form title={`New message to ${recipient}`} verb="Send" submit={send}>
        {(errors) => (
          <>
            <TextField
              label="Sender"
              value={message.sender}
              onInput={set("sender")}
              error={errors.sender}
              hint="The name of another user."
              required
            />
            <TextField
              label="Subject"
              value={message.subject}
              onInput={set("subject")}
              error={errors.subject}
              hint="May be empty."
            />
            <div class="wide">
              <TextArea
                label="Message"
                value={message.message}
                onInput={set("message")}
                error={errors.message}
                rows={3}
              />
            </div>
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
