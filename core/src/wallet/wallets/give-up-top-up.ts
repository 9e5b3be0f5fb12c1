import type { WalletContext } from '../context.ts'
import { isoIn, nowIso, StoaError } from '../../kernel/index.ts'
import { claimTopUp } from './top-up-store.ts'
import { leaseSeconds, settleTopUp } from './settle-top-up.ts'
import type { TopUp } from './top-up.ts'

/**
 * Ends a top-up that the provider leaves pending: asks once more, books what came or what was declined, and otherwise settles it as
 * failed for `reason`, by `actor`. The provider may still take the money: it is asked for 90 days more, and what comes late is booked all the same.
 * Opens its own transactions. Throws `wrong_state` when it is settled, or somebody is asking the provider at this moment.
 */
export async function giveUpTopUp(
  ctx: WalletContext,
  topUp: TopUp,
  { reason, actor }: { reason: string; actor: string },
): Promise<TopUp> {
  if (topUp.status !== 'pending') throw new StoaError('wrong_state', { message: `The top-up has ${topUp.status}.` })
  const now = nowIso(ctx.clock)
  const claimed = await claimTopUp(ctx.db, topUp.id, { now, leaseUntil: isoIn(ctx.clock, leaseSeconds) })
  if (!claimed) {
    throw new StoaError('wrong_state', {
      message: 'The payment provider is being asked about it at this moment; look again, and try in two minutes.',
    })
  }
  const settled = await settleTopUp(ctx, claimed.topUp, claimed.leaseToken, { givenUp: { reason, actor } })
  ctx.logger.warn({ topUpId: topUp.id, actor, reason, status: settled.status }, 'a pending top-up was given up')
  return settled
}
