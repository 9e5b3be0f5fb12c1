import { LRUCache } from 'lru-cache'
import type { Knex } from 'knex'
import { afterCommit, type Dialect } from '../../database/index.ts'
import { ensureAccounts } from '../ledger/ledger-store.ts'
import { earningAccounts, earningIds, type Earners, type EarningIds } from '../revenue/earnings.ts'

/** The accounts of those who earn by charges: their ids, and whether they have been made. Kept by whoever books many charges. */
export interface KnownEarners {
  idsOf(earners: Earners): EarningIds
  /** Makes those accounts that this process has not seen in the database yet. */
  ensure(trx: Knex.Transaction, dialect: Dialect, earners: Earners[], now: string): Promise<void>
}

const most = 50_000

export function createKnownEarners(): KnownEarners {
  const ids = new LRUCache<string, EarningIds>({ max: most })
  const made = new LRUCache<string, true>({ max: most })
  return {
    idsOf(earners) {
      const key = keyOf(earners)
      const known = ids.get(key)
      if (known) return known
      const found = earningIds(earners)
      ids.set(key, found)
      return found
    },
    async ensure(trx, dialect, earners, now) {
      const missing = new Map(earners.map((each) => [keyOf(each), each]))
      for (const key of missing.keys()) if (made.has(key)) missing.delete(key)
      if (missing.size === 0) return
      await ensureAccounts(trx, dialect, [...missing.values()].flatMap(earningAccounts), now)
      // Not before: the transaction may be rolled back, and the accounts with it.
      afterCommit(trx, () => {
        for (const key of missing.keys()) made.set(key, true)
      })
    },
  }
}

const keyOf = ({ applicationId, publisherId, organizationId, environment, currency }: Earners) =>
  `${applicationId} ${publisherId} ${organizationId} ${environment} ${currency}`
