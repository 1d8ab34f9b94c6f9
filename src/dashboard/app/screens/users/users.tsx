import { api, ask, askPage } from "../../api/client.ts"
import { FamilyPage, useFamilyList } from "../../frame/family.tsx"
import { addressWith, useQuery } from "../../frame/query.ts"
import { AUTHORIZATION } from "../../page.ts"
import type { Screen } from "../../screen.ts"
import { Empty } from "../../ui/empty.tsx"
import { TextField } from "../../ui/field.tsx"
import { Form } from "../../ui/form.tsx"
import { List } from "../../ui/list.tsx"
import { Time } from "../../ui/time.tsx"
import { Messages } from "./messages.tsx"

export const users: Screen = {
  path: "/users",
  component: Users,
  menu: { of: "operator", label: "Users" },
}

const CREATE = `curl -X POST ${location.origin}/users${AUTHORIZATION} \\
  -H 'Content-Type: application/json' \\
  -d '{"username": "Alice"}'`

function Users() {
  const [chosen] = useQuery("user", "")
  const live = useFamilyList((query, signal) => askPage(api.GET("/users", { params: { query }, signal })))
  return (
    <FamilyPage
      app="users"
      title="Users"
      about="Application A: it tells its endpoints of users, and of messages between them."
    >
      <NewUser reload={live.reload} />
      <List
        live={live}
        none={
          <Empty title="No user yet" command={CREATE}>
            Each new user is an event of the type <code>user_registered</code>.
          </Empty>
        }
        label="Users"
        keyOf={({ username }) => username}
        isCurrent={({ username }) => username === chosen}
        href={({ username }) => addressWith("user", username)}
        columns={[
          { title: "Name", cell: ({ username }) => username },
          { title: "Registered", cell: ({ registered_at }) => <Time at={registered_at} /> },
        ]}
      />
      {chosen !== "" && <Messages key={chosen} recipient={chosen} />}
    </FamilyPage>
  )
}

function NewUser({ reload }: { reload: () => Promise<void> }) {
  async function create(body: { username: string }) {
    const { username } = await ask(api.POST("/users", { body }))
    return `${username} is registered, and user_registered on its way.`
  }
  return (
    <Form
      title="New user"
      verb="Create"
      initially={{ username: "" }}
      cleared={{ username: "" }}
      submit={create}
      reload={reload}
    >
      {(fields) => <TextField {...fields.username} label="Name" placeholder="Alice" required />}
    </Form>
  )
}
