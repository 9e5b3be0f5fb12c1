import type { Knex } from 'knex'
import { newId, StoaError, type Micros } from '../../kernel/index.ts'
import { insufficientFunds } from '../charges/insufficient-funds.ts'
import type { WalletContext } from '../context.ts'
import { accountId, type Account } from '../ledger/account.ts'
import { findGrantMoves } from '../ledger/grant-store.ts'
import { availableFor, sliceGrants, type Slice } from '../ledger/grant.ts'
import { openJournal, type Journal } from '../ledger/journal.ts'
import type { Leg } from '../ledger/ledger.ts'
import { ensureAccounts } from '../ledger/ledger-store.ts'
import { earningAccounts, earningLegs, partsGivenBack, type Parts } from '../revenue/earnings.ts'
import type { PlanPrice } from './plan-price.ts'
import { findPlan } from './plan-store.ts'
import type { Plan } from './plan.ts'
import { findPeriodItems, insertItems } from './subscription-store.ts'
import type { Subscription, SubscriptionItem } from './subscription.ts'

export interface Payment {
  plan: Plan
  kind: 'trial' | 'period' | 'change'
  /** Of the time it is for; amounts of 0 for what is free. */
  price: PlanPrice
  periodStart: string
  periodEnd: string | null
  /** What is given back in the same transaction. */
  credit: Credit | null
  /** `<kind>:<id>` of who did it. */
  actor: string
}

/** What was not used of an item. */
export interface Credit {
  item: SubscriptionItem
  amount: Micros
}

const nothing: Parts = { amount: 0n, baseAmount: 0n, feeAmount: 0n }

/**
 * Takes what a plan costs and gives back what was not used of the one before, as one transaction, and writes both as items. What is given
 * back is the payer's own money first, then what grants had paid, in reverse order. Returns the last revision and what was paid. Whoever
 * calls it holds the subscription's lock and writes the subscription. Throws `insufficient_funds` and `wallet_suspended`, before anything
 * was written.
 */
export async function paySubscription(
  ctx: WalletContext,
  trx: Knex.Transaction,
  subscription: Subscription,
  { plan, kind, price, periodStart, periodEnd, credit, actor }: Payment,
): Promise<{ revision: number; amount: Micros }> {
  const payerId = accountId(price.payer)
  const creditedId = credit && credit.amount > 0n ? credit.item.accountId : null
  const journal = await openJournal(ctx, trx, [
    ...(price.amount > 0n ? [payerId] : []),
    ...(creditedId === null ? [] : [creditedId]),
  ])
  const back = credit && creditedId !== null ? partsGivenBack(credit.item, 0n, credit.amount) : nothing
  const net = price.amount - (creditedId === payerId ? back.amount : 0n)
  const payer = journal.account(payerId)
  const spent = takeFrom(journal, payer, { price, net, applicationId: subscription.applicationId })
  const credited = creditedId === null ? null : journal.account(creditedId)!
  const returned = back.amount - (creditedId === payerId ? price.amount : 0n)
  const given = credited && returned > 0n ? await slicesGivenBack(trx, journal, subscription, credited, returned) : []

  const chargeId = newId('sbi')
  let transactionId: string | null = null
  const { applicationId, publisherId, organizationId, locationId, environment } = subscription
  const former = credited && credit ? await findPlan(trx, { applicationId, planId: credit.item.planId }) : null
  const at = { applicationId, organizationId, locationId, environment, currency: plan.currency }
  if (price.amount > 0n || back.amount > 0n) {
    const earners = { ...at, publisherId }
    await ensureAccounts(trx, ctx.dialect, earningAccounts(earners), journal.now)
    const moved = {
      amount: price.amount - back.amount,
      baseAmount: price.baseAmount - back.baseAmount,
      feeAmount: price.feeAmount - back.feeAmount,
    }
    // A leg for each item, the credit first: it may be what pays the charge.
    const legs: Leg[] = [
      ...(credited ? [{ account: credited, amount: back.amount }] : []),
      ...(payer && price.amount > 0n ? [{ account: payer, amount: -price.amount }] : []),
      ...earningLegs(earners, moved),
    ]
    transactionId = journal.post(
      {
        kind: 'subscription',
        referenceId: chargeId,
        reversesId: null,
        applicationId,
        environment,
        currency: plan.currency,
        actor,
        // It stands on both lines, of what is given back and of what is paid.
        description: former && former.id !== plan.id ? `${former.name} → ${plan.name}` : plan.name,
        eventTime: journal.now,
      },
      legs,
    ).id
    const reference = { transactionId, referenceId: subscription.id }
    if (payer) journal.moveGrants(payer, reference, spent)
    if (credited) journal.moveGrants(credited, reference, given)
    await journal.write()
  }

  const common = { subscriptionId: subscription.id, ...at, transactionId, createdTime: journal.now }
  const made: SubscriptionItem[] = []
  let { revision } = subscription
  if (credit && creditedId !== null) {
    made.push({
      ...common,
      id: newId('sbi'),
      revision: ++revision,
      kind: 'credit',
      planId: credit.item.planId,
      amount: -back.amount,
      baseAmount: -back.baseAmount,
      feeAmount: -back.feeAmount,
      rebillingId: credit.item.rebillingId,
      accountId: creditedId,
      periodStart,
      periodEnd: credit.item.periodEnd,
    })
  }
  const isPaid = price.amount > 0n
  made.push({
    ...common,
    id: chargeId,
    revision: ++revision,
    kind,
    planId: plan.id,
    amount: price.amount,
    baseAmount: price.baseAmount,
    feeAmount: price.feeAmount,
    rebillingId: price.rebillingId,
    accountId: isPaid ? payerId : null,
    transactionId: isPaid ? transactionId : null,
    periodStart,
    periodEnd,
  })
  await insertItems(trx, ctx.dialect, made)
  return { revision, amount: price.amount }
}

/** What grants pay of the net amount, as moves. */
function takeFrom(
  journal: Journal,
  payer: Account | null,
  { price, net, applicationId }: { price: PlanPrice; net: Micros; applicationId: string },
): Slice[] {
  if (price.amount === 0n) return []
  const { currency } = price.payer
  if (payer?.status === 'suspended') throw new StoaError('wallet_suspended')
  if (net <= 0n) return []
  if (!payer) throw insufficientFunds({ required: net, available: 0n, currency }, planAdvice)
  const purpose = { applicationId, meterId: null, time: journal.now }
  const grants = journal.grants(payer.id)
  const available = availableFor(payer, grants, purpose)
  if (net > available) throw insufficientFunds({ required: net, available, currency }, planAdvice)
  return sliceGrants(grants, net, purpose).map(({ grantId, amount }) => ({ grantId, amount: -amount }))
}

const planAdvice = { what: 'plan', then: (missing: string) => `top it up by ${missing} and try again` }

/**
 * Which grants get something of `amount` back: of what the present period took of the wallet, its own money returns first, then what
 * grants had paid, from the last that was spent to the first.
 */
async function slicesGivenBack(
  trx: Knex.Transaction,
  journal: Journal,
  subscription: Subscription,
  wallet: Account,
  amount: Micros,
): Promise<Slice[]> {
  const items = (await findPeriodItems(trx, subscription.id)).filter((item) => item.accountId === wallet.id)
  const transactions = new Set(items.map(({ transactionId }) => transactionId))
  const moves = (await findGrantMoves(trx, subscription.id)).filter((move) => transactions.has(move.transactionId))
  await journal.loadGrants(moves.map(({ grantId }) => grantId))
  const own = new Set(journal.grants(wallet.id).map(({ id }) => id))
  const open = new Map<string, Micros>()
  for (const { grantId, amount: moved } of moves) {
    if (own.has(grantId)) open.set(grantId, (open.get(grantId) ?? 0n) - moved)
  }
  const sum = (amounts: Iterable<Micros>) => [...amounts].reduce((total, each) => total + each, 0n)
  const ownMoney = sum(items.map((item) => item.amount)) - sum(open.values())
  let left = amount - ownMoney
  return [...open].toReversed().flatMap(([grantId, part]) => {
    const taken = left < part ? left : part
    if (taken <= 0n) return []
    left -= taken
    return [{ grantId, amount: taken }]
  })
}
