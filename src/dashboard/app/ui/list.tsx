import type { ComponentChildren } from "preact"

import type { Live } from "../live/live.ts"
import { type Listed, Pager } from "./pager.tsx"
import { Shown } from "./shown.tsx"
import { Table, type TableProps } from "./table.tsx"

export type ListProps<Row> = Omit<TableProps<Row>, "rows"> & {
  live: Live<Listed<readonly Row[]>>
  /** What is said where there is no row. */
  none: ComponentChildren
}

/** A page of a list, or what is said where it has nothing, and the way to the next one. */
export function List<Row>({ live, none, ...table }: ListProps<Row>) {
  return (
    <Shown live={live}>
      {(page) => (
        <>
          {page.data.length === 0 ? none : <Table {...table} rows={page.data} />}
          <Pager page={page} />
        </>
      )}
    </Shown>
  )
}
