import { cpus, totalmem } from 'node:os'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DemoWorld } from '@stoa/core/testing'
import pg from 'pg'
import { startPostgres } from '../support/postgres-server.ts'
import { benchCharges } from './bench-charges.ts'
import { benchDeliveries } from './bench-deliveries.ts'
import { benchReads } from './bench-reads.ts'
import { benchTokens } from './bench-tokens.ts'
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

const seconds = Number(process.argv.find((each) => each.startsWith('--seconds='))?.split('=')[1] ?? 4)

const cpu = cpus()
console.log(
  `Machine: ${cpu.length} x ${cpu[0]?.model ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`,
)
console.log(`Each figure: ${seconds} s closed loop; load generator, server and database share the machine.\n`)

const directory = await mkdtemp(join(tmpdir(), 'stoa-bench-'))
const postgres = await startPostgres()
await createDatabase(postgres.url, 'cold')
const bare = await startChild<{ url: string }>('./bare-server.ts')
try {
  for (const [label, database, coldDatabase] of [
    ['SQLite, synchronous=FULL', join(directory, 'bench.db'), join(directory, 'cold.db')],
    ['PostgreSQL, fsync on', `${postgres.url}/postgres`, `${postgres.url}/cold`],
  ] as const) {
    console.log(`## ${label}\n`)
    const host = await startChild<{ url: string; world: DemoWorld }>('./stoa-server.ts', [database])
    const cold = await startChild<{ url: string; world: DemoWorld }>('./stoa-server.ts', [coldDatabase, 'cold'])
    const subject = { label, host, cold, bare }
    await benchReads(subject, seconds)
    await benchTokens(subject, seconds)
    await cold.stop()
    await benchCharges(subject, seconds)
    await benchDeliveries(subject)
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
