import { cpus, totalmem } from 'node:os'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DemoWorld } from '@stoa/core/testing'
import pg from 'pg'
import { startPostgres } from '../support/postgres-server.ts'
import { benchDeliveries } from './bench-deliveries.ts'
import { benchReads } from './bench-reads.ts'
import { benchTokens } from './bench-tokens.ts'
import { benchWallet } from './bench-wallet.ts'
import { startChild, type Child } from './child.ts'

/**
 * Everything side by side in one run, because machines differ: first the ratio, then the absolute figures. The host and the
 * bare server each run in a process of their own; the load comes from this one. On two cores they share the machine with it.
 */
export interface Subject {
  label: string
  host: Child<{ url: string; world: DemoWorld }>
  /** The same on a database of its own, which keeps no verified credential in memory. */
  cold: Child<{ url: string; world: DemoWorld }>
  bare: Child<{ url: string }>
}

const only = process.argv.find((each) => each.startsWith('--only='))?.split('=')[1] ?? null
const seconds = Number(process.argv.find((each) => each.startsWith('--seconds='))?.split('=')[1] ?? 4)

const cpu = cpus()
console.log(
  `Machine: ${cpu.length} x ${cpu[0]?.model ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`,
)
console.log(`Each figure: ${seconds} s closed loop; load generator, server and database share the machine.\n`)

const directory = await mkdtemp(join(tmpdir(), 'stoa-bench-'))
const postgres = await startPostgres()
for (const name of ['cold', 'flow', 'crowd', 'growth']) await createDatabase(postgres.url, name)
const file = (name: string) => join(directory, `${name}.db`)
const bare = await startChild<{ url: string }>('./bare-server.ts')
try {
  for (const [label, at] of [
    ['SQLite, synchronous=FULL', file],
    ['PostgreSQL, fsync on', (name: string) => `${postgres.url}/${name}`],
  ] as const) {
    console.log(`## ${label}\n`)
    if (only === null || only === 'deliveries') {
      await benchDeliveries(label, { flow: at('flow'), crowd: at('crowd'), growth: at('growth') })
    }
    if (only === 'deliveries') continue
    const [database, coldDatabase] = [at('postgres'), at('cold')]
    const host = await startChild<{ url: string; world: DemoWorld }>('./stoa-server.ts', [database])
    const cold = await startChild<{ url: string; world: DemoWorld }>('./stoa-server.ts', [coldDatabase, 'cold'])
    const subject = { label, host, cold, bare }
    if (only === null) {
      await benchReads(subject, seconds)
      await benchTokens(subject, seconds)
    }
    await cold.stop()
    await benchWallet(subject, seconds, { database, postgres: at !== file })
    await host.stop()
    console.log('')
  }
} finally {
  await bare.stop()
  await postgres.stop()
  await rm(directory, { recursive: true, force: true })
}
process.exit(0)

async function createDatabase(url: string, name: string): Promise<void> {
  const admin = new pg.Client(`${url}/postgres`)
  await admin.connect()
  await admin.query(`CREATE DATABASE ${name}`)
  await admin.end()
}
