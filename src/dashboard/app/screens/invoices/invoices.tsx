import { api, ask, askPage } from "../../api/client.ts"
import { FamilyPage, useFamilyList } from "../../frame/family.tsx"
import { addressWith, useQuery } from "../../frame/query.ts"
import { AUTHORIZATION } from "../../page.ts"
import type { Screen } from "../../screen.ts"
import { Id } from "../../ui/copy.tsx"
import { Empty } from "../../ui/empty.tsx"
import { TextField } from "../../ui/field.tsx"
import { Form } from "../../ui/form.tsx"
import { List } from "../../ui/list.tsx"
import { Time } from "../../ui/time.tsx"
import { dateIn, numberIn } from "../../ui/typed.ts"
import { InvoiceState, Invoice as Shows } from "./invoice.tsx"

export const invoices: Screen = {
  path: "/invoices",
  component: Invoices,
  menu: { of: "operator", label: "Invoices" },
}

const CREATE = `curl -X POST ${location.origin}/invoices${AUTHORIZATION} \\
  -H 'Content-Type: application/json' \\
  -d '{"amount": 200, "currency": "USD"}'`
const NOTHING = { amount: "", currency: "USD", due_date: "" }

function Invoices() {
  const [chosen] = useQuery("invoice", "")
  const live = useFamilyList((query, signal) => askPage(api.GET("/invoices", { params: { query }, signal })))
  return (
    <FamilyPage app="invoices" title="Invoices" about="Application B: it tells its endpoints of invoices.">
      <NewInvoice reload={live.reload} />
      <List
        live={live}
        none={
          <Empty title="No invoice yet" command={CREATE}>
            Each new invoice is an event of the type <code>invoice_created</code>; changing and paying it are
            events, too.
          </Empty>
        }
        label="Invoices"
        keyOf={({ invoice_id }) => invoice_id}
        isCurrent={({ invoice_id }) => invoice_id === chosen}
        href={({ invoice_id }) => addressWith("invoice", invoice_id)}
        columns={[
          { title: "Amount", cell: ({ amount, currency }) => `${amount.toFixed(2)} ${currency}` },
          { title: "State", cell: (invoice) => <InvoiceState invoice={invoice} /> },
          { title: "Due", cell: ({ due_date }) => due_date?.slice(0, 10), isExtra: true },
          { title: "Id", cell: ({ invoice_id }) => <Id id={invoice_id} isShort />, isExtra: true },
          { title: "Created", cell: ({ created_at }) => <Time at={created_at} /> },
        ]}
      />
      {chosen !== "" && <Shows key={chosen} id={chosen} reload={live.reload} />}
    </FamilyPage>
  )
}

function NewInvoice({ reload }: { reload: () => Promise<void> }) {
  async function create({ amount, currency, due_date }: typeof NOTHING) {
    const body = { amount: numberIn(amount, "amount"), currency, ...dateIn(due_date) }
    await ask(api.POST("/invoices", { body }))
    return "The invoice is created, and invoice_created on its way."
  }
  return (
    <Form
      title="New invoice"
      verb="Create"
      initially={NOTHING}
      cleared={{ amount: "", due_date: "" }}
      submit={create}
      reload={reload}
    >
      {(fields) => (
        <>
          <TextField {...fields.amount} label="Amount" inputMode="decimal" placeholder="200.00" required />
          <TextField {...fields.currency} label="Currency" required />
          <TextField {...fields.due_date} label="Due" placeholder="2027-04-15" hint="A date, or nothing." />
        </>
      )}
    </Form>
  )
}
