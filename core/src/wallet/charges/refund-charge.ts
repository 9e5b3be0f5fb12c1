import type { Knex } from 'knex'
import { afterCommit } from '../../database/index.ts'
import { publish } from '../../events/index.ts'
import { invalidField, maxMicros, microsNumber, proportion, StoaError, type Micros } from '../../kernel/index.ts'
import { returnUsage } from '../caps/return-usage.ts'
import type { WalletContext } from '../context.ts'
import { findGrantMoves } from '../ledger/grant-store.ts'
import type { Slice } from '../ledger/grant.ts'
import { openJournal, type Journal } from '../ledger/journal.ts'
import { earningLegs, partsGivenBack } from '../revenue/earnings.ts'
import type { Tenant } from '../tenant.ts'
import { chargeEvent, tellCharge } from './charge-events.ts'
import { countRefunds, findCharge, findRefund, insertCharges, lockCharge } from './charge-store.ts'
import type { Charge, ChargeRecord } from './charge.ts'

const day = 86_400_000

/** How much is given back: a part in money or in units, or all that is left. */
export interface RefundWish {
  /** The application's own number of it; null when all that is left is given back. */
  refundId: string | null
  amount: Micros | null
  units: Micros | null
  description: string | null
}

export interface RefundOutcome {
  charge: Charge
  /** Null when there was nothing left to give back. */
  refund: ChargeRecord | null
  replayed: boolean
}

/**
 * Gives a charge back, or a part of it: takes the legs back that were booked, each in its proportion and to the micro-unit, whatever
 * prices are today; what grants paid goes back to them last, in reverse order. `db` must be a transaction. Throws `charge_not_found`
 * for what is not this installation's, `void_window_closed` after `wallet.voidWindowDays`, `refund_exceeds_charge`, and
 * `refund_id_reused` for a refundId that was used for another part, and
 * `validation_failed` where the wallet cannot hold that much.
 */
export async function refundCharge(
  ctx: WalletContext,
  db: Knex.Transaction,
  tenant: Tenant,
  chargeId: string,
  wish: RefundWish,
): Promise<RefundOutcome> {
  const found = await findCharge(db, tenant, chargeId)
  if (!found) throw new StoaError('charge_not_found')
  // The first lock it takes, before those of counters, as batches do: the wallet's, or where nothing was paid, and
  // there may be none, the charge's. Who waited for it looks again.
  const journal = await openJournal(ctx, db, found.accountId === null ? [] : [found.accountId])
  if (found.accountId === null) await lockCharge(db, ctx.dialect, chargeId)
  const charge = (await findCharge(db, tenant, chargeId))!
  const replayed = wish.refundId === null ? null : replay(await findRefund(db, chargeId, wish.refundId), wish)
  if (replayed) return { charge, refund: replayed, replayed: true }
  if (charge.isRefunded) {
    if (wish.refundId === null) return { charge, refund: null, replayed: true }
    throw exceeds(charge)
  }
  if (Date.parse(journal.now) - Date.parse(charge.createdTime) >= ctx.config.wallet.voidWindowDays * day) {
    throw new StoaError('void_window_closed')
  }

  const { amount, units } = partOf(charge, wish)
  assertRoom(journal, charge, amount)
  const slices = await slicesGivenBack(db, journal, charge, amount)
  const refund = bookRefund(journal, charge, {
    wish,
    amount,
    units,
    seq: (await countRefunds(db, chargeId)) + 1,
    slices,
  })
  await returnUsage(db, ctx.dialect, charge, { amount, units }, journal.now)
  await journal.write()
  await insertCharges(db, ctx.dialect, [refund])
  const after = (await findCharge(db, tenant, chargeId))!
  const told = { ...after, ...refund }
  await publish(ctx, db, chargeEvent('charge.refunded', told))
  afterCommit(db, () => tellCharge(ctx, 'charge.refunded', told))
  return { charge: after, refund, replayed: false }
}

/** Where what was spent was topped up again, the wallet may have no room left for it. */
function assertRoom(journal: Journal, { accountId }: Charge, amount: Micros): void {
  const wallet = accountId === null ? null : journal.account(accountId)
  if (wallet && wallet.balance + amount > maxMicros) {
    throw invalidField('amount', 'would take the wallet beyond what it can hold')
  }
}

function replay(known: ChargeRecord | null, wish: RefundWish): ChargeRecord | null {
  if (!known) return null
  const same =
    (wish.amount === null || wish.amount === known.amount) && (wish.units === null || wish.units === known.units)
  if (!same) throw new StoaError('refund_id_reused', { details: { chargeId: known.id } })
  return known
}

function exceeds({ amount, refundedAmount }: Charge): StoaError {
  return new StoaError('refund_exceeds_charge', { details: { left: microsNumber(amount - refundedAmount) } })
}

/** Amount and units of what is to be given back. What is left goes whole, so that nothing of a charge remains by rounding. */
function partOf(charge: Charge, { amount, units }: RefundWish): { amount: Micros; units: Micros } {
  const left = { amount: charge.amount - charge.refundedAmount, units: charge.units - charge.refundedUnits }
  if (amount === null && units === null) return left
  if (amount !== null) {
    if (amount > left.amount) throw exceeds(charge)
    if (amount === left.amount) return left
    const share = proportion(charge.units, amount, charge.amount)
    return { amount, units: share < left.units ? share : left.units }
  }
  if (units! > left.units) throw exceeds(charge)
  if (units === left.units) return left
  const share = proportion(charge.amount, units!, charge.units)
  return { amount: share < left.amount ? share : left.amount, units: units! }
}

function bookRefund(
  journal: Journal,
  charge: Charge,
  given: { wish: RefundWish; amount: Micros; units: Micros; seq: number; slices: Slice[] },
): ChargeRecord {
  const parts = partsGivenBack(charge, charge.refundedAmount, given.amount)
  const wallet = charge.accountId === null ? null : journal.account(charge.accountId)
  const description = given.wish.description ?? charge.description
  const taken = { amount: -parts.amount, baseAmount: -parts.baseAmount, feeAmount: -parts.feeAmount }
  const transaction = journal.post(
    {
      kind: 'refund',
      referenceId: charge.id,
      reversesId: charge.transactionId,
      applicationId: charge.applicationId,
      environment: charge.environment,
      currency: charge.currency,
      actor: `application:${charge.applicationId}`,
      description,
      eventTime: journal.now,
    },
    wallet ? [...earningLegs(charge, taken), { account: wallet, amount: given.amount }] : [],
  )
  if (wallet) {
    journal.moveGrants(wallet, { transactionId: transaction.id, referenceId: charge.id }, given.slices)
  }
  const { refundedAmount: _a, refundedUnits: _u, refundedTime: _t, isRefunded: _i, ...record } = charge
  return {
    ...record,
    ...parts,
    seq: given.seq,
    units: given.units,
    lines: null,
    description,
    transactionId: transaction.id,
    refundId: given.wish.refundId,
    createdTime: journal.now,
  }
}

/**
 * What of `amount` goes back to grants. What was spent last comes back first: the wallet's own money, then the grants from the last
 * that was spent to the first.
 */
async function slicesGivenBack(
  db: Knex.Transaction,
  journal: Journal,
  charge: Charge,
  amount: Micros,
): Promise<Slice[]> {
  const spent = (await findGrantMoves(db, charge.id)).filter((move) => move.amount < 0n)
  await journal.loadGrants(spent.map(({ grantId }) => grantId))
  const [from, until] = [charge.refundedAmount, charge.refundedAmount + amount]
  let end = charge.amount + spent.reduce((sum, move) => sum + move.amount, 0n)
  return spent.toReversed().flatMap(({ grantId, amount: part }) => {
    const begin = end
    end -= part
    const overlap = (until < end ? until : end) - (from > begin ? from : begin)
    return overlap > 0n ? [{ grantId, amount: overlap }] : []
  })
}
