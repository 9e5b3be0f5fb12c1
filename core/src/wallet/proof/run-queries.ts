import { text, type Db } from '../../database/index.ts'
import { selectRaw } from '../ledger/select-raw.ts'
import type { Findings } from './findings.ts'

/** Findings of one statement that are told; it is not asked for more, so that wrecked books are no flood. */
const most = 1000

/**
 * Runs statements each of which selects lines, `problem`, that say what is off. They join by keys or by hash and never by `not in` or a
 * subquery for each row that is not in an index, so that a million charges take a minute and not a day.
 */
export async function runQueries(db: Db, found: Findings, queries: Record<string, string>): Promise<void> {
  for (const [subject, query] of Object.entries(queries)) {
    for (const line of await readLines(db, query, subject)) found.add(subject, line)
  }
}

async function readLines(db: Db, query: string, subject: string): Promise<string[]> {
  try {
    const rows = await selectRaw(db, `select problem from (${query}) as problems limit ${most + 1}`)
    return rows.map((row) => text(row.problem))
  } catch (error) {
    // SQLite's own sums are 64 bits wide; PostgreSQL's are not. Nothing that was booked by the rules comes near to that.
    if (!/integer overflow/.test((error as Error).message)) throw error
    return [`the sums of ${subject} pass 64 bits`]
  }
}
