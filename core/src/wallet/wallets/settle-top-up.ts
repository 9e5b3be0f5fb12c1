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
/** For how long the provider is asked about what was given up. */
const watchDays = 90

/**
 * Asks the provider about a top-up that is pending, and books what came. Two that do it at once, or one that does it again after a
 * crash, book it once: whoever settles the row first. What is still open waits for its next turn, longer each time.
 * With `givenUp`, why and by whom, it ends as failed when it is still open. What was given up before is only watched: should the money come
 * after all, it is booked. Returns it as it is then.
 */
export async function settleTopUp(
  ctx: WalletContext,
  topUp: TopUp,
  leaseToken: string,
  { givenUp = null }: { givenUp?: { reason: string; actor: string } | null } = {},
): Promise<TopUp> {
  const isWatched = topUp.status === 'failed'
  const outcome = await askProvider(ctx, topUp, { onlyLook: isWatched || givenUp !== null })
  return inTransaction(ctx.db, async (trx) => {
    if (outcome?.status === 'succeeded') return succeed(ctx, trx, topUp, outcome)
    if (outcome?.status === 'declined' && !isWatched) return fail(ctx, trx, topUp, outcome)
    const wait = isoIn(ctx.clock, Math.min(firstWait * 2 ** Math.min(topUp.tries - 1, 20), longestWait))
    const reference = outcome?.reference ?? topUp.providerReference
    if (givenUp !== null) {
      const { reason, actor } = givenUp
      return fail(ctx, trx, { ...topUp, givenUpBy: actor }, { status: 'declined', reference, reason }, wait)
    }
    const open = { ...topUp, providerReference: storable(reference, 255) }
    const isOver =
      isWatched && (outcome?.status === 'declined' || isoIn(ctx.clock, -watchDays * 86_400) > topUp.settledTime!)
    await postponeTopUp(trx, open, leaseToken, isOver ? null : wait)
    return open
  })
}

/** Null when it is not known: the provider did not answer, or did not understand. */
async function askProvider(
  ctx: WalletContext,
  topUp: TopUp,
  { onlyLook }: { onlyLook: boolean },
): Promise<FundingOutcome | null> {
  const { id, tries, organizationId, locationId, currency, paymentMethod, description } = topUp
  try {
    const funding = fundingOf(ctx, topUp.environment)
    const ask = async () => {
      // Whether an earlier try reached the provider, the row cannot know.
      const known = tries > 1 || onlyLook ? await funding.look({ id, reference: topUp.providerReference }) : null
      if (onlyLook) return known
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
    // Of one that was given up.
    failure: null,
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
  if (topUp.status === 'failed') {
    ctx.logger.warn(
      { topUpId: topUp.id, failure: topUp.failure },
      'money of a top-up that was given up came after all, and was booked',
    )
  }
  return settled
}

async function fail(
  ctx: WalletContext,
  trx: Knex.Transaction,
  topUp: TopUp,
  { reference, reason = 'declined' }: Omit<FundingOutcome, 'reference'> & { reference: string | null },
  nextTime: string | null = null,
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
  if (!(await swapSettled(trx, settled, nextTime))) return (await findTopUp(trx, topUp.id))!
  await publish(ctx, trx, topUpEvent(settled, journal.now))
  await countDecline(ctx, trx, journal.account(topUp.accountId)!, settled)
  return settled
}

/** A provider's words, as both databases can keep them. */
function storable(words: string | null | undefined, longest: number): string | null {
  if (words === null || words === undefined) return null
  return Buffer.from(words.replaceAll('\u0000', '').slice(0, longest)).toString()
}
