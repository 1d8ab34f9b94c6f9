import { removeApplicationTask } from "../applications/remove.ts"
import { recoverTask } from "./recover.ts"
import type { TaskKind } from "./step.ts"

/** The step functions of all kinds of task, by what `tasks.kind` says. */
export const TASK_KINDS: Readonly<Record<string, TaskKind>> = {
  recover: recoverTask,
  "remove-application": removeApplicationTask,
}
