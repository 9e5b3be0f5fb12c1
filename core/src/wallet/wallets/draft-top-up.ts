import type { Environment } from '../../context.ts'
import { newId, type Micros } from '../../kernel/index.ts'
import { accountId } from '../ledger/account.ts'
import type { TopUp } from './top-up.ts'
import { walletOf, type WalletOwner } from './wallet-owner.ts'

/** Among whom a merchant's references are unique, so that nobody meets those of others. */
export function scopeOf({ organizationId, locationId }: WalletOwner, environment: Environment): string {
  return `${organizationId} ${locationId ?? ''} ${environment}`
}

interface Draft {
  environment: Environment
  paymentMethod?: string | null | undefined
  reference: string
  description?: string | null | undefined
  actor: string
}

/** One that is pending and was asked for by nobody yet. */
export function draftTopUp(
  { environment, paymentMethod = null, reference, description = null, actor }: Draft,
  owner: WalletOwner,
  { amount, currency, now }: { amount: Micros; currency: string; now: string },
): Omit<TopUp, 'source' | 'scope'> {
  return {
    id: newId('top'),
    reference,
    accountId: accountId(walletOf(owner, { environment, currency })),
    transactionId: null,
    ...owner,
    environment,
    currency,
    amount,
    status: 'pending',
    paymentMethod,
    providerReference: null,
    failure: null,
    givenUpBy: null,
    description,
    actor,
    tries: 0,
    createdTime: now,
    settledTime: null,
  }
}
