import { environments } from '../../context.ts'
import type { NewEvent } from '../../events/index.ts'
import { Id, microsText, Nullable, OneOf, Time, Type, type Micros, type Static } from '../../kernel/index.ts'
import { amounts, ExactText } from '../exact.ts'
import type { Account } from '../ledger/account.ts'
import { grantKinds, type Grant } from '../ledger/grant.ts'
import { ownerOfWallet } from './wallet-owner.ts'

const grantStatuses = ['scheduled', 'open', 'spent', 'ended'] as const

export const GrantShape = Type.Object({
  id: Id(),
  walletId: Id(),
  organizationId: Id(),
  locationId: Nullable(Id('Null for the organization’s own wallet.')),
  environment: OneOf(environments),
  currency: Type.String(),
  kind: OneOf(grantKinds),
  reference: Type.String(),
  amount: Type.Number(),
  remaining: Type.Number(),
  held: Type.Number({ description: 'What holds reserve of the remainder.' }),
  exact: Type.Object({ amount: ExactText, remaining: ExactText, held: ExactText }),
  priority: Type.Integer({ description: 'From 0, which is spent first, to 100.' }),
  status: OneOf(grantStatuses, {
    description:
      '`scheduled` before its time, `open` while it can be spent, `spent` when nothing is left, `ended` after its time.',
  }),
  effectiveTime: Time(),
  expiresTime: Nullable(Time()),
  applicationId: Nullable(Id('When not null, it is for this application only.')),
  meterId: Nullable(Id('When not null, it is for this meter only.')),
  description: Nullable(Type.String()),
  createdTime: Time(),
})

export function grantShape(grant: Grant, wallet: Account, now: string): Static<typeof GrantShape> {
  const { id, kind, reference, amount, remaining, held, priority, effectiveTime, expiresTime } = grant
  const { applicationId, meterId, description, createdTime } = grant
  const { environment, currency } = wallet
  return {
    id,
    walletId: wallet.id,
    ...ownerOfWallet(wallet),
    environment,
    currency,
    kind,
    reference,
    ...amounts({ amount, remaining, held }),
    priority,
    status: statusOf(grant, now),
    effectiveTime,
    expiresTime,
    applicationId,
    meterId,
    description,
    createdTime,
  }
}

function statusOf({ remaining, effectiveTime, expiresTime }: Grant, now: string) {
  if (expiresTime !== null && expiresTime <= now) return 'ended'
  if (remaining === 0n) return 'spent'
  return effectiveTime > now ? 'scheduled' : 'open'
}

/** What the organization is told of a grant; `ended` is how much of it ended just now. */
export function grantEvent(
  type: 'grant.created' | 'grant.expired',
  wallet: Account,
  grant: Grant,
  now: string,
  ended?: Micros,
): NewEvent {
  const { environment, currency } = wallet
  const owner = ownerOfWallet(wallet)
  const { kind, amount, remaining, priority, effectiveTime, expiresTime, applicationId, meterId } = grant
  const data = {
    walletId: wallet.id,
    ...owner,
    environment,
    currency,
    grantId: grant.id,
    kind,
    amount: microsText(amount),
    remaining: microsText(remaining),
    priority,
    effectiveTime,
    expiresTime,
    applicationId,
    meterId,
    ...(ended !== undefined && { ended: microsText(ended) }),
  }
  return {
    type,
    publisherId: null,
    // Not the grant's: what it is for is not where it happened, and an application need not hear of it.
    applicationId: null,
    ...owner,
    environment,
    payload: { type, timestamp: now, data },
  }
}
