import { access } from 'node:fs/promises'
import {
  DatabaseProblem,
  migrate,
  openDatabase,
  pendingMigrations,
  readSnapshot,
  type Database,
} from '../../database/index.ts'
import { isoIn, nowIso, StoaError, systemClock } from '../../kernel/index.ts'
import { exportJournal } from './export-journal.ts'
import { findProblems } from './check-ledger.ts'
import { createFindings } from './findings.ts'
import { checkHeads, readHeadLine, readHeads, type Head } from './heads.ts'
import { readJournalLine, writeJournalLine, type JournalItem } from './journal-lines.ts'
import { replayInto, replayJournal, type Replayed } from './replay-into.ts'
import { summarizeLedger, type LedgerSummary } from './summarize-ledger.ts'

const hour = 3600

export interface LedgerReport extends LedgerSummary {
  /** How many of the heads that somebody kept were compared; null when none were given. */
  headsCompared: number | null
  /** One line for each thing that is off; none when the books are right. */
  problems: string[]
}

export interface InspectOptions {
  /** The host's `webhooks.retentionDays`: charges of that time are compared with their events. 0 compares none. */
  retentionDays: number
  /** Lines that `onHead` was given at some time: each has to be in its chain still. */
  against?: AsyncIterable<string>
  /** Takes a line for each chained account, with its version and hash. Keep them where who runs the database cannot write. */
  onHead?: (line: string) => void
}

/**
 * Checks the ledger of a database, for `stoa ledger check`: everything at one moment, while hosts go on charging. Throws a
 * DatabaseProblem when it cannot be opened or is not migrated, `validation_failed` for heads that are none.
 */
export async function inspectLedger(
  url: string,
  { retentionDays, against, onHead }: InspectOptions,
): Promise<LedgerReport> {
  return withLedger(url, ({ knex, dialect }) =>
    readSnapshot(knex, dialect, async (trx) => {
      // An hour less than events are kept, for the clocks of the hosts that remove them.
      const events = retentionDays > 0 ? { eventsSince: isoIn(systemClock, -retentionDays * 24 * hour + hour) } : {}
      const problems = await findProblems(trx, events)
      let headsCompared: number | null = null
      if (against) {
        const found = createFindings()
        headsCompared = await checkHeads(trx, found, headsIn(against))
        // An empty file would prove nothing, and look as if it did.
        if (headsCompared === 0)
          throw new StoaError('validation_failed', { message: 'There is no head to compare with.' })
        problems.push(...found.lines())
      }
      if (onHead) for await (const page of readHeads(trx)) for (const head of page) onHead(JSON.stringify(head))
      return { ...(await summarizeLedger(trx)), headsCompared, problems }
    }),
  )
}

/** Writes the journal as lines of NDJSON, for `stoa ledger export`: accounts first, then transactions with their entries. */
export async function exportLedger(
  url: string,
  options: { after?: string },
  write: (lines: string[]) => void | Promise<void>,
): Promise<void> {
  await withLedger(url, ({ knex, dialect }) =>
    exportJournal(knex, dialect, options, (items) => write(items.map(writeJournalLine))),
  )
}

/**
 * Makes the ledger of exported lines again, for `stoa ledger replay`: in memory, or in the database `into`, which is migrated and must have
 * no ledger. Throws `validation_failed` for lines that are none of a journal, and for no lines at all.
 */
export async function replayLedger(lines: AsyncIterable<string>, into?: string): Promise<Replayed> {
  const items = itemsIn(lines)
  if (into === undefined) return replayJournal(items)
  const database = await openDatabase(into)
  try {
    await migrate(database)
    return await replayInto(database.knex, database.dialect, items, nowIso(systemClock))
  } finally {
    await database.close()
  }
}

async function withLedger<T>(url: string, work: (database: Database) => Promise<T>): Promise<T> {
  await assertThere(url)
  const database = await openDatabase(url)
  try {
    const pending = await pendingMigrations(database)
    if (pending.length > 0) throw new DatabaseProblem(`The database is not up to date; run stoa migrate first.`)
    return await work(database)
  } finally {
    await database.close()
  }
}

/** SQLite would make the file, and a mistyped path would be found to be a ledger without anything in it. */
async function assertThere(url: string): Promise<void> {
  if (/^postgres(ql)?:/.test(url)) return
  const path = url.replace(/^sqlite:/, '')
  await access(path).catch(() => {
    throw new DatabaseProblem(`There is no database at ${path}.`)
  })
}

async function* headsIn(lines: AsyncIterable<string>): AsyncGenerator<Head> {
  let number = 0
  for await (const line of lines) if (line.trim() !== '') yield readHeadLine(line, ++number)
}

async function* itemsIn(lines: AsyncIterable<string>): AsyncGenerator<JournalItem> {
  let number = 0
  for await (const line of lines) if (line.trim() !== '') yield readJournalLine(line, ++number)
  if (number === 0) throw new StoaError('validation_failed', { message: 'The journal is empty.' })
}
