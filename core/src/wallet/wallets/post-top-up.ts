import { accountId, platformAccount, type Account } from '../ledger/account.ts'
import type { Journal } from '../ledger/journal.ts'
import type { TopUp } from './top-up.ts'

/** Books money that came in. The wallet is locked, and the top-up knows its transaction. */
export function postTopUp(journal: Journal, wallet: Account, topUp: TopUp): void {
  const { id, transactionId, environment, currency, amount, actor, description } = topUp
  const clearing = accountId(platformAccount('topup_clearing', { environment, currency }))
  journal.post(
    {
      id: transactionId!,
      kind: 'top-up',
      referenceId: id,
      reversesId: null,
      applicationId: null,
      environment,
      currency,
      actor,
      description,
      eventTime: journal.now,
    },
    [
      { account: { id: clearing }, amount: -amount },
      { account: wallet, amount },
    ],
  )
}
