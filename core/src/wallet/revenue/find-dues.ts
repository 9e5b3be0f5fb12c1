import type { Db } from '../../database/index.ts'
import type { Micros } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { balanceAt } from './account-statement.ts'
import { findCollected, type EarningAccount } from './collected-store.ts'
import type { Due, PayoutRun } from './payout.ts'

/** Later than anything that is booked. */
const endOfTime = '9999-12-31T00:00:00.000Z'
/** How often it is looked again when a payout was booked meanwhile. */
const mostLooks = 5

/**
 * What the accounts are owed now: all that was ever booked on them, of which former payouts left a part. Zeroes are left out. Reads as
 * much as `balanceAt`, so `db` should be no transaction.
 */
export async function findDues(
  ctx: WalletContext,
  db: Db,
  accounts: EarningAccount[],
  { environment, currency }: Pick<PayoutRun, 'environment' | 'currency'>,
): Promise<Map<string, Due>> {
  const ids = accounts.map(({ id }) => id)
  let collected = await findCollected(db, ids)
  for (let looks = 1; ; looks++) {
    const balances = new Map<string, Micros>()
    for (const { id, kind, ownerId } of accounts) {
      const applicationId = kind === 'app_payable' ? ownerId : null
      balances.set(id, await balanceAt(ctx, db, { id, applicationId, environment, currency }, endOfTime))
    }
    const again = await findCollected(db, ids)
    // A payout that was booked in between is in one of the two and not in the other.
    if (looks === mostLooks || isSame(collected, again)) return duesOf(balances, again)
    collected = again
  }
}

const carriedOf = (dues: Map<string, Due>, id: string): Micros => dues.get(id)?.carriedIn ?? 0n

function isSame(before: Map<string, Due>, after: Map<string, Due>): boolean {
  return [...before.keys(), ...after.keys()].every((id) => carriedOf(before, id) === carriedOf(after, id))
}

function duesOf(balances: Map<string, Micros>, collected: Map<string, Due>): Map<string, Due> {
  const dues = [...balances].map(([accountId, balance]) => {
    const carriedIn = carriedOf(collected, accountId)
    return { accountId, earned: balance - carriedIn, carriedIn }
  })
  return new Map(dues.filter((due) => due.earned !== 0n || due.carriedIn !== 0n).map((due) => [due.accountId, due]))
}
