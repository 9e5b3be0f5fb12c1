import { randomUUID } from 'node:crypto'
import type { Environment } from '../../context.ts'
import { inTransaction } from '../../database/index.ts'
import { isoIn, nowIso } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { ensureAccounts, findAccountById } from '../ledger/ledger-store.ts'
import { readCurrency } from '../currency.ts'
import { draftTopUp, scopeOf } from './draft-top-up.ts'
import { fundingOf } from './funding-of.ts'
import { readPayable } from '../read-amount.ts'
import { leaseSeconds, settleTopUp } from './settle-top-up.ts'
import { insertTopUp } from './top-up-store.ts'
import type { TopUp } from './top-up.ts'
import { asWanted, assertRoom, type TopUpOutcome } from './top-ups.ts'
import { walletOf, type WalletOwner } from './wallet-owner.ts'

export interface RequestedTopUp {
  amount: number | string
  currency?: string | null
  environment: Environment
  paymentMethod?: string | null
  /** The merchant's own number; the same one never asks for money twice. */
  reference: string
  description?: string | null
  actor: string
}

/**
 * Asks the payment provider for money and books what came. It is on record before the provider is asked, so that whatever happens then
 * the worker finishes it; then the answer says `pending`. Opens its own transactions: no lock is held while the provider thinks.
 * Throws as `topUp`, and `funding_unavailable` when there is no provider.
 */
export async function requestTopUp(
  ctx: WalletContext,
  owner: WalletOwner,
  input: RequestedTopUp,
): Promise<TopUpOutcome> {
  const currency = readCurrency(ctx, input.currency)
  const amount = readPayable(input.amount, { currency, environment: input.environment })
  fundingOf(ctx, input.environment)
  const now = nowIso(ctx.clock)
  const wallet = walletOf(owner, { environment: input.environment, currency })
  const made: TopUp = {
    ...draftTopUp(input, owner, { amount, currency, now }),
    source: 'manual',
    scope: scopeOf(owner, input.environment),
    tries: 1,
  }
  const leaseToken = randomUUID()
  const turn = { nextTime: now, leaseToken, leaseUntil: isoIn(ctx.clock, leaseSeconds) }
  const known = await inTransaction(ctx.db, async (trx) => {
    await ensureAccounts(trx, ctx.dialect, [wallet], now)
    assertRoom((await findAccountById(trx, made.accountId))!, amount)
    return insertTopUp(trx, made, turn)
  })
  if (known) return { topUp: asWanted(known, made), replayed: true }
  return { topUp: await settleTopUp(ctx, made, leaseToken), replayed: false }
}
