import "./table.css"
import type { ComponentChildren } from "preact"
import { useRef } from "preact/hooks"

import { useKeys } from "./keys.ts"

export interface Column<Row> {
  title: string
  cell: (row: Row) => ComponentChildren
  isNumber?: boolean
  /** Left out where there is no room for it. */
  isExtra?: boolean
}

export interface TableProps<Row> {
  label: string
  rows: readonly Row[]
  columns: readonly Column<Row>[]
  keyOf: (row: Row) => string
  href?: (row: Row) => string
  /** The row that the rest of the screen is about. */
  isCurrent?: (row: Row) => boolean
  /** On a phone, what follows the first two cells of a row stands below them. */
  isStacked?: boolean
}

/**
 * A list. Where rows lead somewhere, their first cell is the link, and the whole row is its target; j and k go down and
 * up, Enter follows.
 */
export function Table<Row>({
  label,
  rows,
  columns,
  keyOf,
  href,
  isCurrent = () => false,
  isStacked,
}: TableProps<Row>) {
  const body = useRef<HTMLTableSectionElement>(null)
  function step(by: number) {
    // Of several tables the first one sees to the rows of all.
    if (document.querySelector("main .table tbody") !== body.current) return
    const links = [...document.querySelectorAll<HTMLElement>("main .row-link")]
    const at = links.indexOf(document.activeElement as HTMLElement)
    links[at === -1 ? 0 : Math.min(Math.max(at + by, 0), links.length - 1)]?.focus()
  }
  useKeys({ j: () => step(1), k: () => step(-1) })

  return (
    <div class="card table-card">
      <table class={isStacked ? "table stacked" : "table"} aria-label={label}>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.title} scope="col" class={classOf(column)}>
                {column.title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody ref={body}>
          {rows.map((row) => (
            <tr key={keyOf(row)} aria-current={isCurrent(row) ? "true" : undefined}>
              {columns.map((column, index) => (
                <td key={column.title} class={classOf(column)}>
                  {href && index === 0 ? (
                    <a class="row-link" href={href(row)}>
                      {column.cell(row)}
                    </a>
                  ) : (
                    column.cell(row)
                  )}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

function classOf<Row>({ isNumber, isExtra }: Column<Row>): string {
  return [isNumber && "number", isExtra && "extra"].filter(Boolean).join(" ")
}
