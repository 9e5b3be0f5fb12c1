import { newId, type Micros } from '../../kernel/index.ts'
import type { Account } from '../ledger/account.ts'
import type { Journal } from '../ledger/journal.ts'
import type { Leg } from '../ledger/ledger.ts'
import { legsOf } from '../revenue/earnings.ts'
import type { Charge } from './charge.ts'
import type { KnownEarners } from './known-earners.ts'

interface Draft {
  transactionId: string
  /** The first of its charges. */
  charge: Charge
  batchId: string | null
  wallet: Account | null
  amount: Micros
  /** By account. */
  legs: Map<string, Micros>
}

/**
 * Transactions that are decided and not yet booked. Charges of one batch that the same wallet pays share one, so that a thousand of
 * them are a few lines in the ledger; every other charge has one of its own.
 */
export interface Drafts {
  /** Returns the id of the transaction that the charge will be booked by. */
  add(charge: Charge, by: { wallet: Account | null; batchId: string | null }): string
  /** What the drafts will take of a wallet. */
  pendingOn(wallet: Account): Micros
  post(journal: Journal): void
}

export function createDrafts(earners: KnownEarners): Drafts {
  const drafts: Draft[] = []
  const shared = new Map<string, Draft>()
  const pending = new Map<Account, Micros>()

  function draftFor(charge: Charge, wallet: Account | null, batchId: string | null): Draft {
    const key = batchId === null ? null : `${batchId} ${wallet?.id ?? charge.currency}`
    const known = key === null ? undefined : shared.get(key)
    if (known) return known
    const draft = { transactionId: newId('txn'), charge, batchId, wallet, amount: 0n, legs: new Map<string, Micros>() }
    drafts.push(draft)
    if (key !== null) shared.set(key, draft)
    return draft
  }

  return {
    add(charge, { wallet, batchId }) {
      const draft = draftFor(charge, wallet, batchId)
      draft.amount += charge.amount
      if (wallet) pending.set(wallet, (pending.get(wallet) ?? 0n) + charge.amount)
      for (const { account, amount } of legsOf(earners.idsOf(charge), charge)) {
        draft.legs.set(account.id, (draft.legs.get(account.id) ?? 0n) + amount)
      }
      return draft.transactionId
    },
    pendingOn: (wallet) => pending.get(wallet) ?? 0n,
    post(journal) {
      for (const { transactionId, charge, batchId, wallet, amount, legs } of drafts) {
        const earned = [...legs].map(([id, part]): Leg => ({ account: { id }, amount: part }))
        journal.post(
          {
            id: transactionId,
            kind: 'charge',
            referenceId: batchId ?? charge.id,
            reversesId: null,
            applicationId: charge.applicationId,
            environment: charge.environment,
            currency: charge.currency,
            actor: `application:${charge.applicationId}`,
            description: batchId === null ? charge.description : null,
            eventTime: batchId === null ? charge.eventTime : charge.createdTime,
          },
          wallet ? [{ account: wallet, amount: -amount }, ...earned] : earned,
        )
      }
    },
  }
}
