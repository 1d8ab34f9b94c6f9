import "./toast.css"
import { signal } from "@preact/signals"

const SHOWN_MS = 6_000

interface Toast {
  id: number
  tone: "good" | "bad"
  text: string
}

const toasts = signal<readonly Toast[]>([])
let made = 0

/** Says for a moment that something was done. */
export function say(text: string): void {
  show({ id: ++made, tone: "good", text })
}

/** Says for a moment that something could not be done, and why. */
export function sayWrong(text: string): void {
  show({ id: ++made, tone: "bad", text })
}

export function Toasts() {
  return (
    <div class="toasts" role="status">
      {toasts.value.map(({ id, tone, text }) => (
        <p key={id} class={`toast toast-${tone}`}>
          {text}
        </p>
      ))}
    </div>
  )
}

function show(toast: Toast): void {
  toasts.value = [...toasts.value, toast]
  setTimeout(() => {
    toasts.value = toasts.value.filter(({ id }) => id !== toast.id)
  }, SHOWN_MS)
}
