import { once } from 'node:events'
import { createReadStream, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { exportLedger, inspectLedger, replayLedger, type LedgerReport } from '@stoa/core'
import type { Environment } from './environment.ts'
import { CommandProblem } from './reach-host.ts'

export interface CheckOptions {
  json?: boolean
  heads?: string
  against?: string
  retentionDays: string
}

/** `stoa ledger check`: prints the report; the exit status says whether all is right. */
export async function checkLedger(environment: Environment, options: CheckOptions): Promise<void> {
  const retentionDays = Number(options.retentionDays)
  if (!Number.isInteger(retentionDays) || retentionDays < 0) {
    throw new CommandProblem('--retention-days must be a number of days.')
  }
  const heads: string[] = []
  const report = await inspectLedger(environment.database, {
    retentionDays,
    ...(options.against !== undefined && { against: await linesOf(options.against) }),
    ...(options.heads !== undefined && { onHead: (line: string) => void heads.push(line) }),
  })
  // Not over an earlier file: whoever has to prove something from it would have lost it.
  if (options.heads !== undefined) writeHeads(options.heads, heads)
  if (options.json) console.log(JSON.stringify(report, null, 2))
  else printReport(report)
  if (report.problems.length > 0) process.exitCode = 1
}

function writeHeads(file: string, heads: string[]): void {
  try {
    writeFileSync(file, heads.map((line) => `${line}\n`).join(''), { flag: 'wx', mode: 0o644 })
  } catch (error) {
    throw new CommandProblem(`Cannot write ${file}: ${(error as Error).message}. Give --heads a new file.`)
  }
}

function printReport({ counts, sums, headsCompared, problems }: LedgerReport): void {
  console.log(
    Object.entries(counts)
      .map(([name, count]) => `${count} ${name}`)
      .join(', '),
  )
  for (const { environment, currency, kind, accounts, balance } of sums) {
    console.log(`${environment.padEnd(10)} ${currency} ${kind.padEnd(15)} ${String(accounts).padStart(8)} ${balance}`)
  }
  if (headsCompared !== null) console.log(`${headsCompared} heads compared`)
  console.log(
    problems.length === 0
      ? 'The books are right.'
      : `${problems.length} ${problems.length === 1 ? 'thing is' : 'things are'} off:`,
  )
  for (const line of problems) console.log(`- ${line}`)
}

/** `stoa ledger export`: on standard output, as fast as somebody takes it. */
export async function exportJournal(environment: Environment, options: { after?: string }): Promise<void> {
  await exportLedger(environment.database, options, async (lines) => {
    const taken = process.stdout.write(lines.map((line) => `${line}\n`).join(''))
    if (!taken) await once(process.stdout, 'drain')
  })
}

/** `stoa ledger replay`. */
export async function replayJournal(file: string, options: { database?: string; json?: boolean }): Promise<void> {
  const replayed = await replayLedger(await linesOf(file), options.database)
  const { accounts, transactions, differences } = replayed
  if (options.json) console.log(JSON.stringify(replayed, null, 2))
  else {
    console.log(`${transactions} transactions on ${accounts} accounts`)
    console.log(
      differences.length === 0 ? 'The same balances, chains and hashes.' : `${differences.length} things differ:`,
    )
    for (const line of differences) console.log(`- ${line}`)
  }
  if (differences.length > 0) process.exitCode = 1
}

async function linesOf(file: string): Promise<AsyncIterable<string>> {
  // Opened before anything is done: a file that is not there is told as that, and not in the middle of the work.
  try {
    if (file !== '-') await (await open(file)).close()
  } catch (error) {
    throw new CommandProblem(`Cannot read ${file}: ${(error as Error).message}.`)
  }
  return readLines(file)
}

/** Begins to read when somebody asks for the first line: what readline reads before is lost. */
async function* readLines(file: string): AsyncGenerator<string> {
  const input = file === '-' ? process.stdin : createReadStream(file)
  yield* createInterface({ input, crlfDelay: Infinity })
}
