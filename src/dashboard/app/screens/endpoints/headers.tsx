import { api, ask } from "../../api/client.ts"
import { useLive } from "../../live/live.ts"
import { can } from "../../session/state.ts"
import { Button } from "../../ui/button.tsx"
import { TextField } from "../../ui/field.tsx"
import { Form } from "../../ui/form.tsx"
import { Shown } from "../../ui/shown.tsx"
import { Table } from "../../ui/table.tsx"
import type { PartProps } from "./endpoint.tsx"

interface Header {
  name: string
  /** Null: it is sent, but not shown. */
  value: string | null
}

/** What is wrong with a header is said of `headers`. */
const NOTHING = { headers: "", value: "" }

/** The headers that an endpoint is sent along with each delivery. */
export function Headers({ app, endpoint: { id } }: PartProps) {
  const params = { path: { app_id: app, endpoint_id: id } }
  const live = useLive(
    async (signal) => {
      const { headers, sensitive } = await ask(
        api.GET("/api/v1/app/{app_id}/endpoint/{endpoint_id}/headers", { params, signal }),
      )
      const hidden = sensitive.map((name): Header => ({ name, value: null }))
      return [...Object.entries(headers).map(([name, value]): Header => ({ name, value })), ...hidden]
    },
    [app, id],
    { isOn: false },
  )
  async function change(headers: Record<string, string | null>) {
    await ask(api.PATCH("/api/v1/app/{app_id}/endpoint/{endpoint_id}/headers", { params, body: { headers } }))
    await live.reload()
  }
  return (
    <Shown live={live} rows={2}>
      {(headers) => (
        <>
          {headers.length > 0 && (
            <Table
              label="Headers"
              rows={headers}
              keyOf={({ name }) => name}
              columns={[
                { title: "Header", cell: ({ name }) => <code>{name}</code> },
                { title: "Value", cell: ({ value }) => <code>{value ?? "••••••••"}</code> },
                ...(can("ManageEndpoint")
                  ? [
                      {
                        title: "",
                        cell: ({ name }: Header) => (
                          <Button
                            kind="quiet"
                            title={`Remove ${name}`}
                            onClick={() => change({ [name]: null })}
                          >
                            Remove
                          </Button>
                        ),
                        isNumber: true,
                      },
                    ]
                  : []),
              ]}
            />
          )}
          {can("ManageEndpoint") ? (
            <NewHeader change={change} />
          ) : (
            headers.length === 0 && <p class="quiet">It is sent no headers of its own.</p>
          )}
        </>
      )}
    </Shown>
  )
}

function NewHeader({ change }: { change: (headers: Record<string, string>) => Promise<void> }) {
  async function set({ headers: name, value }: typeof NOTHING) {
    await change({ [name.trim()]: value })
    return "The header is sent along from now on."
  }
  return (
    <Form
      title="Set a header"
      about="Sent along with each delivery. Of what looks like a credential nobody is shown the value again."
      verb="Set header"
      initially={NOTHING}
      cleared={NOTHING}
      submit={set}
    >
      {(fields) => (
        <>
          <TextField {...fields.headers} label="Name" placeholder="Authorization" mono required />
          <TextField {...fields.value} label="Value" mono required />
        </>
      )}
    </Form>
  )
}
