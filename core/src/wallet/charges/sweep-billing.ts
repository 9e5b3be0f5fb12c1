import type { Knex } from 'knex'
import { deleteInBatches, type Db } from '../../database/index.ts'
import { isoIn } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'

const day = 86_400
/** How long is kept what was declined: as long as charges can be asked about by their events. */
const attemptDays = 90
/** A counter is looked at for a month at most. */
const counterDays = 62

/** Removes what nobody asks for any more, by times of its own. The ledger and charges are never among it. */
export function sweepBilling({ clock }: Pick<WalletContext, 'clock'>): (db: Db) => Promise<void> {
  return async (db) => {
    const before = (days: number, time: string) => (query: Knex.QueryBuilder) =>
      void query.where(time, '<', isoIn(clock, -days * day))
    const attempt = ['installation_id', 'event_id', 'code']
    await deleteInBatches(db, 'stoa_charge_attempts', attempt, before(attemptDays, 'last_time'))
    const counter = ['key', 'period_start']
    await deleteInBatches(db, 'stoa_usage_counters', counter, before(counterDays, 'period_start'))
  }
}
