import "./endpoints.css"
import { useLocation } from "preact-iso"

import { api, ask } from "../../api/client.ts"
import { useCrumbs } from "../../frame/application.tsx"
import { Page } from "../../frame/page.tsx"
import { at, type Screen, type ScreenProps } from "../../screen.ts"
import { Form } from "../../ui/form.tsx"
import { type Draft, fromDraft, toDraft } from "./draft.ts"
import { Fields } from "./fields.tsx"

export const newEndpoint: Screen = { path: "/app/:app/new-endpoint", component: NewEndpoint }

function NewEndpoint({ params: { app = "" } }: ScreenProps) {
  const { route } = useLocation()
  async function create(draft: Draft) {
    const { id } = await ask(
      api.POST("/api/v1/app/{app_id}/endpoint", {
        params: { path: { app_id: app } },
        body: { ...fromDraft(draft), disabled: false, metadata: {} },
      }),
    )
    route(`${at("app", app, "endpoints", id)}?tab=secret`)
    return "The endpoint gets what is sent from now on. Its secret is what receivers verify with."
  }
  return (
    <Page title="New endpoint" crumbs={useCrumbs(app, "endpoints")}>
      <Form title="Where messages go" verb="Create endpoint" initially={toDraft()} submit={create}>
        {(fields) => <Fields fields={fields} />}
      </Form>
    </Page>
  )
}
