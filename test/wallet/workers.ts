import { EventEmitter } from 'eventemitter3'
import type { FundingPort } from '@stoa/core'
import { parseConfig } from '../../core/src/config.ts'
import { openDatabase, type Database } from '../../core/src/database/index.ts'
import { createEventTypes, ownEventTypes } from '../../core/src/events/index.ts'
import { createMetrics } from '../../core/src/metrics/index.ts'
import { createWallet, type WalletContext } from '../../core/src/wallet/index.ts'
import { hostConfig } from './host-config.ts'
import type { World } from './world.ts'

const silent = { debug() {}, info() {}, warn() {}, error() {} }

export interface Workers {
  /** Until nothing is due any more; returns how much was. */
  run(): Promise<number>
  close(): Promise<void>
  connection: Database
}

/**
 * The wallet's workers as of another process on the world's database, by the world's clock, run when a test says so. `beside` are
 * others that run at the same time: where only one process may, they share its connection.
 */
export async function openWorkers(
  world: World,
  funding: FundingPort | null = null,
  beside?: Workers,
): Promise<Workers> {
  const shared = beside && !beside.connection.dialect.manyProcesses ? beside.connection : null
  const connection = shared ?? (await openDatabase(world.opened.url))
  const { knex: db, dialect } = connection
  const ctx = {
    db,
    dialect,
    config: parseConfig({ ...hostConfig, mode: 'test' }),
    clock: world.clock,
    logger: silent,
    metrics: createMetrics({ clock: world.clock }),
    lifecycle: new EventEmitter(),
    signals: new EventEmitter(),
    eventTypes: createEventTypes(ownEventTypes),
    funding,
    installationsAt: () => Promise.resolve([]),
  } as unknown as WalletContext
  const { workers } = createWallet(ctx)
  return {
    connection,
    async run() {
      let all = 0
      for (;;) {
        let done = 0
        for (const worker of workers) done += await worker.runDue()
        if (done === 0) return all
        all += done
      }
    },
    close: () => (shared ? Promise.resolve() : connection.close()),
  }
}

/** Events of a type that were published, as their bodies say, the first first. */
export async function eventsOf(world: World, type: string): Promise<Record<string, unknown>[]> {
  const rows = await world.db('stoa_events').where({ type }).orderBy('id')
  return rows.map((row) => (JSON.parse(row.payload as string) as { data: Record<string, unknown> }).data)
}
