import type { Db } from '../../database/index.ts'
import { microsText, StoaError } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { findCapRequest } from './cap-request-store.ts'
import { findUndecided, type Decision } from './cap-requests.ts'
import type { CapRequest } from './cap.ts'
import type { Capped } from './capped.ts'
import { setCap } from './decide-cap.ts'
import { readCapAmount } from './read-cap.ts'

/**
 * The merchant gives what was asked for: the cap becomes the request's amount, which must be the one that was shown. The
 * installation must be locked. Throws `not_found`; `wrong_state` when it is decided already, or asks for another amount.
 */
export async function approveCapRequest(
  ctx: WalletContext,
  db: Db,
  capped: Capped,
  { requestId, amount }: { requestId: string; amount: number | string },
  { actor, reason }: Decision,
): Promise<CapRequest> {
  const request = await findUndecided(db, capped, requestId)
  if (readCapAmount(amount) !== request.amount) {
    throw new StoaError('wrong_state', {
      message: `The application asks for ${microsText(request.amount)} ${request.currency}, not for what was shown; look again.`,
    })
  }
  const { meterId, period, currency } = request
  const input = { meterId, period, currency, amount: microsText(request.amount) }
  await setCap(ctx, db, capped, input, {
    actor,
    reason: `asked for by ${request.id}: ${request.reason}`,
    answer: reason,
  })
  // Setting the cap answered it.
  return (await findCapRequest(db, capped.installationId, requestId))!
}
