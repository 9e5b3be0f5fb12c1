import type { Db } from '../../database/index.ts'
import type { WalletContext } from '../context.ts'
import { accountId, type AccountKey } from '../ledger/account.ts'
import { lockAccounts } from '../ledger/ledger-store.ts'
import type { Cap } from './cap.ts'
import { counterOf, percentPassed } from './limits.ts'
import { lockCounters, updateCounters } from './usage-counters.ts'

/**
 * Counts what was used under a cap that was just set or changed, so that no charge has to: the merchant waits for it, not all that is
 * charged meanwhile. What was announced of a lower cap, and this one has not come to, is announced again when it does.
 * The wallets are locked: a charge that does not know of the cap is counted, and one that comes after it waits and counts itself.
 */
export async function settleCapCounter({ dialect }: WalletContext, db: Db, cap: Cap): Promise<void> {
  const { organizationId, locationId, environment, currency } = cap
  const payers: Pick<AccountKey, 'ownerType' | 'ownerId'>[] = [
    { ownerType: 'location', ownerId: locationId },
    { ownerType: 'organization', ownerId: organizationId },
  ]
  const ids = payers.map((payer) => accountId({ kind: 'wallet', ...payer, environment, currency }))
  await lockAccounts(db, dialect, ids)
  const counters = [...(await lockCounters(db, dialect, [counterOf(cap, cap.updatedTime)])).values()]
  for (const counter of counters) counter.announced = Math.min(counter.announced, percentPassed(cap, counter))
  await updateCounters(db, dialect, counters)
}
