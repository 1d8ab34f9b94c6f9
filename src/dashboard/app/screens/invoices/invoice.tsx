import { api, ask, type Schemas } from "../../api/client.ts"
import { useAnswer } from "../../live/answer.ts"
import { Button } from "../../ui/button.tsx"
import { Id } from "../../ui/copy.tsx"
import { Facts } from "../../ui/facts.tsx"
import { TextField } from "../../ui/field.tsx"
import { Form } from "../../ui/form.tsx"
import { Shown } from "../../ui/shown.tsx"
import { State, type Tone } from "../../ui/state.tsx"
import { Time } from "../../ui/time.tsx"
import { say } from "../../ui/toast.tsx"
import { dateIn, numberIn } from "../../ui/typed.ts"

type Row = Schemas["Invoice"]

const STATES: Record<Row["status"], readonly [Tone, string]> = {
  pending: ["idle", "Pending"],
  updated: ["idle", "Updated"],
  paid: ["good", "Paid"],
}

export function InvoiceState({ invoice: { status } }: { invoice: Row }) {
  const [tone, words] = STATES[status]
  return <State tone={tone}>{words}</State>
}

/** One invoice, to be changed or paid as long as it is not. */
export function Invoice({ id, reload }: { id: string; reload: () => Promise<void> }) {
  const params = { path: { invoice_id: id } }
  const live = useAnswer("/invoices/{invoice_id}", params)
  const refresh = () => Promise.all([live.reload(), reload()])
  async function pay() {
    await ask(api.POST("/invoices/{invoice_id}/pay", { params, body: {} }))
    await refresh()
    say("The invoice is paid, and invoice_paid on its way.")
  }
  return (
    <Shown live={live} rows={4}>
      {(invoice) => (
        <section class="stack" aria-label="Invoice">
          <h2 class="row">
            Invoice <Id id={id} what="invoice id" />
          </h2>
          <Facts facts={factsOf(invoice)} />
          {invoice.status !== "paid" && (
            <>
              <div class="buttons">
                <Button kind="primary" onClick={pay}>
                  Record payment
                </Button>
              </div>
              <Change invoice={invoice} refresh={refresh} />
            </>
          )}
        </section>
      )}
    </Shown>
  )
}

function Change({ invoice, refresh }: { invoice: Row; refresh: () => Promise<unknown> }) {
  const { invoice_id, amount, due_date } = invoice
  const known = { amount: amount.toFixed(2), due_date: due_date?.slice(0, 10) ?? "" }
  async function change(typed: typeof known) {
    const body = { amount: numberIn(typed.amount, "amount"), ...dateIn(typed.due_date) }
    await ask(api.PATCH("/invoices/{invoice_id}", { params: { path: { invoice_id } }, body }))
    return "The invoice is changed, and invoice_updated on its way."
  }
  return (
    <Form title="Change it" verb="Change" initially={known} submit={change} reload={refresh}>
      {(fields) => (
        <>
          <TextField {...fields.amount} label="Amount" inputMode="decimal" required />
          <TextField {...fields.due_date} label="Due" hint="A date; left empty it stays." />
        </>
      )}
    </Form>
  )
}

function factsOf(invoice: Row) {
  const { amount, currency, due_date, amount_received, currency_received, created_at, paid_at } = invoice
  return [
    ["State", <InvoiceState key="state" invoice={invoice} />] as const,
    ["Amount", `${amount.toFixed(2)} ${currency}`] as const,
    ["Due", due_date?.slice(0, 10) ?? "Not said"] as const,
    ["Created", <Time key="created" at={created_at} />] as const,
    ...(paid_at === null
      ? []
      : [
          ["Received", `${amount_received?.toFixed(2)} ${currency_received}`] as const,
          ["Paid", <Time key="paid" at={paid_at} />] as const,
        ]),
  ]
}
