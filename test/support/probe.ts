/** Counts what D1 is asked, and lets a test break it. */
export interface DatabaseProbe {
  batches: number
  /** Round trips that have not come back. */
  underWay: number
  /** The most seen so far: statements of a batch, and parameters, bytes and rows written of one statement. */
  largest: {
    statements: number
    parameters: number
    parameterBytes: number
    sqlBytes: number
    rowsWritten: number
  }
  /** Called before each batch with its SQL, and waited for; what it throws, D1 throws. */
  before: ((statements: string[]) => unknown) | null
  /** Called after each batch: the answer gets lost on the way if it throws. */
  after: ((statements: string[]) => void) | null
  /** Called after each round trip, batch or single read, with what each of its statements has cost. */
  onTrip: ((statements: StatementCost[]) => void) | null
}

/** One statement as D1 counted it. */
export interface StatementCost {
  sql: string
  rowsRead: number
  rowsWritten: number
}

export function createProbe(): DatabaseProbe {
  return {
    batches: 0,
    underWay: 0,
    largest: { statements: 0, parameters: 0, parameterBytes: 0, sqlBytes: 0, rowsWritten: 0 },
    before: null,
    after: null,
    onTrip: null,
  }
}

/** The D1 binding, watched: statements and parameters are counted, and faults can be put in. */
export function probed(d1: D1Database, probe: DatabaseProbe): D1Database {
  const texts = new WeakMap<object, string>()
  return {
    prepare(text: string) {
      const statement = d1.prepare(text)
      return {
        bind(...values: unknown[]) {
          const bytes = values.map((value) =>
            typeof value === "string" ? new TextEncoder().encode(value).length : 8,
          )
          probe.largest.parameters = Math.max(probe.largest.parameters, values.length)
          probe.largest.parameterBytes = Math.max(probe.largest.parameterBytes, ...bytes)
          const bound = statement.bind(...values)
          texts.set(bound, text)
          return watchReads(bound, probe, (meta) => probe.onTrip?.([costOf(text, meta)]))
        },
      }
    },
    async batch(statements: D1PreparedStatement[]) {
      const sql = statements.map((statement) => texts.get(statement) ?? "")
      probe.batches++
      probe.largest.statements = Math.max(probe.largest.statements, statements.length)
      await probe.before?.(sql)
      const results = await underWay(probe, () => d1.batch(statements))
      for (const text of sql) probe.largest.sqlBytes = Math.max(probe.largest.sqlBytes, text.length)
      for (const { meta } of results)
        probe.largest.rowsWritten = Math.max(probe.largest.rowsWritten, meta.rows_written)
      probe.onTrip?.(results.map(({ meta }, index) => costOf(sql[index] ?? "", meta)))
      probe.after?.(sql)
      return results
    },
  } as unknown as D1Database
}

async function underWay<T>(probe: DatabaseProbe, trip: () => Promise<T>): Promise<T> {
  probe.underWay++
  try {
    return await trip()
  } finally {
    probe.underWay--
  }
}

function costOf(sql: string, meta: D1Meta): StatementCost {
  return { sql, rowsRead: meta.rows_read, rowsWritten: meta.rows_written }
}

/** The statement, telling what it has cost when it runs by itself. `raw` alone would keep that to itself. */
function watchReads(
  bound: D1PreparedStatement,
  probe: DatabaseProbe,
  ran: (meta: D1Meta) => void,
): D1PreparedStatement {
  const { all } = bound
  const run = async () => {
    const result = await underWay(probe, () => all.call(bound))
    ran(result.meta)
    return result
  }
  const raw = async () => (await run()).results.map((row) => Object.values(row as object))
  return Object.assign(bound, { all: run, run, raw, first: async () => (await run()).results[0] ?? null })
}
