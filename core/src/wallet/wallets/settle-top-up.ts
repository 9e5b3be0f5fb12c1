import type { Knex } from 'knex'
import { inTransaction } from '../../database/index.ts'
import { publish } from '../../events/index.ts'
import { isoIn, microsText, newId, nowIso, type FundingOutcome } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { platformAccount } from '../ledger/account.ts'
import { openJournal } from '../ledger/journal.ts'
import { ensureAccounts } from '../ledger/ledger-store.ts'
import { fundingOf } from './funding-of.ts'
import { postTopUp } from './post-top-up.ts'
import { countDecline, forgetDeclines } from './top-up-rule-declines.ts'
import { findTopUp, postponeTopUp, swapSettled } from './top-up-store.ts'
import { topUpEvent, type TopUp } from './top-up.ts'

/** Longer than the provider may take, so that nobody else asks meanwhile. Were it shorter, the id would still keep money from coming twice. */
export const leaseSeconds = 120
const providerSeconds = 60
const firstWait = 60
const longestWait = 6 * 3600

/**
 * Asks the provider about a top-up that is pending, and books what came. Two that do it at once, or one that does it again after a
 * crash, book it once: whoever settles the row first. What is still open waits for its next turn, longer each time.
 * Returns it as it is then.
 */
export async function settleTopUp(ctx: WalletContext, topUp: TopUp, leaseToken: string): Promise<TopUp> {
  const outcome = await askProvider(ctx, topUp)
  return inTransaction(ctx.db, async (trx) => {
    if (outcome?.status === 'succeeded') return succeed(ctx, trx, topUp, outcome)
    if (outcome?.status === 'declined') return fail(ctx, trx, topUp, outcome)
    const wait = Math.min(firstWait * 2 ** (topUp.tries - 1), longestWait)
    const open = { ...topUp, providerReference: storable(outcome?.reference, 255) ?? topUp.providerReference }
    await postponeTopUp(trx, open, leaseToken, isoIn(ctx.clock, wait))
    return open
  })
}

/** Null when it is not known: the provider did not answer, or did not understand. */
async function askProvider(ctx: WalletContext, topUp: TopUp): Promise<FundingOutcome | null> {
  const { id, tries, organizationId, locationId, currency, paymentMethod, description } = topUp
  try {
    const funding = fundingOf(ctx, topUp.environment)
    const ask = async () => {
      // Whether an earlier try reached the provider, the row cannot know.
      const known = tries > 1 ? await funding.look({ id, reference: topUp.providerReference }) : null
      const amount = microsText(topUp.amount)
      return known ?? funding.fund({ id, organizationId, locationId, amount, currency, paymentMethod, description })
    }
    return await withDeadline(ask(), providerSeconds)
  } catch (err) {
    ctx.logger.warn({ err, topUpId: id }, 'the payment provider gave no answer; the top-up is looked at again later')
    return null
  }
}

async function withDeadline<T>(work: Promise<T>, seconds: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer in ${seconds} seconds`)), seconds * 1000)
    timer.unref()
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

async function succeed(
  ctx: WalletContext,
  trx: Knex.Transaction,
  topUp: TopUp,
  { reference }: FundingOutcome,
): Promise<TopUp> {
  await ensureAccounts(trx, ctx.dialect, [platformAccount('topup_clearing', topUp)], nowIso(ctx.clock))
  const journal = await openJournal(ctx, trx, [topUp.accountId])
  const settled: TopUp = {
    ...topUp,
    status: 'succeeded',
    transactionId: newId('txn'),
    providerReference: storable(reference, 255),
    settledTime: journal.now,
  }
  if (!(await swapSettled(trx, settled))) return (await findTopUp(trx, topUp.id))!
  postTopUp(journal, journal.account(topUp.accountId)!, settled)
  // Before write(), which makes the rule due again when this was not enough.
  if (topUp.source === 'auto') await forgetDeclines(trx, topUp.accountId)
  await journal.write()
  await publish(ctx, trx, topUpEvent(settled, journal.now))
  return settled
}

async function fail(
  ctx: WalletContext,
  trx: Knex.Transaction,
  topUp: TopUp,
  { reference, reason = 'declined' }: FundingOutcome,
): Promise<TopUp> {
  // For its lock: the rule of the wallet changes under it.
  const journal = await openJournal(ctx, trx, [topUp.accountId])
  const failure = storable(reason, 500) ?? 'declined'
  const settled: TopUp = {
    ...topUp,
    status: 'failed',
    failure,
    providerReference: storable(reference, 255),
    settledTime: journal.now,
  }
  if (!(await swapSettled(trx, settled))) return (await findTopUp(trx, topUp.id))!
  await publish(ctx, trx, topUpEvent(settled, journal.now))
  await countDecline(ctx, trx, journal.account(topUp.accountId)!, settled)
  return settled
}

/** A provider's words, as both databases can keep them. */
function storable(words: string | null | undefined, longest: number): string | null {
  if (words === null || words === undefined) return null
  return Buffer.from(words.replaceAll('\u0000', '').slice(0, longest)).toString()
}
