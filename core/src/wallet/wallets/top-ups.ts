import type { Knex } from 'knex'
import type { Environment } from '../../context.ts'
import { publish } from '../../events/index.ts'
import { invalidField, maxMicros, newId, nowIso, StoaError, type Micros } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { accountId, platformAccount, type Account } from '../ledger/account.ts'
import { openJournal } from '../ledger/journal.ts'
import { ensureAccounts } from '../ledger/ledger-store.ts'
import { readCurrency } from '../currency.ts'
import { draftTopUp } from './draft-top-up.ts'
import { readAmount } from '../read-amount.ts'
import { postTopUp } from './post-top-up.ts'
import { insertTopUp } from './top-up-store.ts'
import { topUpEvent, type TopUp } from './top-up.ts'
import { readOwner, walletOf } from './wallet-owner.ts'

export interface NewTopUp {
  /** Exactly one of the two: whose wallet it is. */
  organizationId?: string | null
  locationId?: string | null
  amount: number | string
  /** ISO 4217; by default the host's. */
  currency?: string | null
  environment: Environment
  /** The operator's own number for the payment; the same reference never adds money twice. */
  reference: string
  description?: string | null
  /** `<kind of caller>:<id>` of who did it. */
  actor: string
}

export interface TopUpOutcome {
  topUp: TopUp
  replayed: boolean
}

/**
 * Adds money to the wallet of an organization or a location, making the wallet when it is the first. `db` must be a
 * transaction. The same reference with the same content is answered as before, with other content refused
 * (`reference_reused`). Throws `not_found` when nobody has the id, `validation_failed` for the amount or the currency.
 */
export async function topUp(ctx: WalletContext, db: Knex.Transaction, input: NewTopUp): Promise<TopUpOutcome> {
  const amount = readAmount(input.amount)
  const currency = readCurrency(ctx, input.currency)
  const owner = await readOwner(db, input)
  const now = nowIso(ctx.clock)
  const wallet = walletOf(owner, { environment: input.environment, currency })
  await ensureAccounts(db, ctx.dialect, [platformAccount('topup_clearing', wallet), wallet], now)
  const journal = await openJournal(ctx, db, [accountId(wallet)])
  const made: TopUp = {
    ...draftTopUp(input, owner, { amount, currency, now }),
    source: 'operator',
    scope: '',
    status: 'succeeded',
    transactionId: newId('txn'),
    settledTime: now,
  }
  const known = await insertTopUp(db, made)
  if (known) return { topUp: asWanted(known, made), replayed: true }
  const account = journal.account(made.accountId)!
  assertRoom(account, amount)
  postTopUp(journal, account, made)
  await journal.write()
  await publish(ctx, db, topUpEvent(made, now))
  return { topUp: made, replayed: false }
}

/** What was made before, when it is what is wanted now. Throws `reference_reused`. */
export function asWanted(known: TopUp, wanted: TopUp): TopUp {
  if (known.accountId !== wanted.accountId || known.amount !== wanted.amount) {
    throw new StoaError('reference_reused', { details: { topUpId: known.id } })
  }
  return known
}

export function assertRoom({ balance }: Account, amount: Micros): void {
  if (balance + amount > maxMicros) throw invalidField('amount', 'would take the wallet beyond what it can hold')
}
