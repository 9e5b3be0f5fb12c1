import { afterCommit, type Db } from '../database/index.ts'
import { publish } from '../events/index.ts'
import { nowIso, StoaError } from '../kernel/index.ts'
import { chargeEvent, tellCharge } from './charge-events.ts'
import { findCharge, insertCharges, lockCharge } from './charge-store.ts'
import type { ChargeRecord } from './charge.ts'
import type { WalletContext } from './context.ts'
import { findEntries, insertPostings, lockWallet, updateWallets } from './ledger-store.ts'
import { book, type Leg } from './ledger.ts'
import type { Tenant } from './tenant.ts'

const day = 86_400_000

/**
 * Gives a charge back whole: takes the legs back that were booked, in reverse order, whatever prices are today. `db` must be a
 * transaction. A charge that was given back already stays as it is. Throws `charge_not_found` for what is not this
 * application's on this location, `void_window_closed` after `wallet.voidWindowDays`.
 */
export async function voidCharge(ctx: WalletContext, db: Db, tenant: Tenant, chargeId: string): Promise<void> {
  const found = await findCharge(db, tenant, chargeId)
  if (!found) throw new StoaError('charge_not_found')
  // The only lock it ever takes, so it cannot stand in a circle with batches: the wallet's, or where nothing was paid, and
  // there may be none, the charge's. Who waited for it looks again.
  const wallet = found.accountId === null ? null : await lockWallet(db, ctx.dialect, found.accountId)
  if (!wallet) await lockCharge(db, ctx.dialect, chargeId)
  const charge = (await findCharge(db, tenant, chargeId))!
  if (charge.refundedTime !== null) return
  const now = nowIso(ctx.clock)
  if (Date.parse(now) - Date.parse(charge.createdTime) >= ctx.config.wallet.voidWindowDays * day) {
    throw new StoaError('void_window_closed')
  }

  const version = wallet?.version
  const legs = (await findEntries(db, charge.transactionId)).reverse().map((entry): Leg => ({
    account: wallet && entry.accountId === wallet.id ? wallet : { id: entry.accountId },
    amount: -entry.amount,
  }))
  const posting = book(
    {
      kind: 'refund',
      referenceId: charge.id,
      reversesId: charge.transactionId,
      applicationId: charge.applicationId,
      environment: charge.environment,
      currency: charge.currency,
      actor: `application:${tenant.applicationId}`,
      description: charge.description,
      bookedTime: now,
      eventTime: now,
    },
    legs,
  )
  const refund: ChargeRecord = {
    ...charge,
    seq: 1,
    transactionId: posting.transaction.id,
    createdTime: now,
    refundedTime: now,
  }
  await insertPostings(db, ctx.dialect, [posting])
  await insertCharges(db, ctx.dialect, [refund])
  if (wallet) await updateWallets(db, [wallet], new Map([[wallet.id, version!]]))
  await publish(ctx, db, chargeEvent('charge.refunded', refund))
  afterCommit(db, () => tellCharge(ctx, 'charge.refunded', refund))
}
