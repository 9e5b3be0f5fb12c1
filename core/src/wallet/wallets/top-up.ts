import { environments, type Environment } from '../../context.ts'
import type { NewEvent } from '../../events/index.ts'
import { Id, microsText, Nullable, OneOf, Time, Type, type Micros, type Static } from '../../kernel/index.ts'
import { amounts, ExactText } from '../exact.ts'

/** Who asked for the money: the platform's operator, the merchant, or a rule of the merchant's. */
const topUpSources = ['operator', 'manual', 'auto'] as const
export const topUpStatuses = ['pending', 'succeeded', 'failed'] as const

/**
 * Money that comes into a wallet. `pending` from before anybody is asked for it, until it is known whether it came. What was once
 * `succeeded` (then it is booked) never changes again, nor what `failed`, but for one that an operator gave up: should the provider take
 * the money after all, it is booked and has `succeeded`.
 */
export interface TopUp {
  id: string
  source: (typeof topUpSources)[number]
  /** Among whom the reference is unique: '' for operators, else the merchant's target. */
  scope: string
  reference: string
  accountId: string
  /** Null until it is booked. */
  transactionId: string | null
  organizationId: string
  locationId: string | null
  environment: Environment
  currency: string
  amount: Micros
  status: (typeof topUpStatuses)[number]
  paymentMethod: string | null
  providerReference: string | null
  failure: string | null
  /** `<kind of caller>:<id>` of the operator who gave it up, also when the money came after that. */
  givenUpBy: string | null
  description: string | null
  actor: string
  /** How often the provider was asked. */
  tries: number
  createdTime: string
  settledTime: string | null
}

export const TopUpShape = Type.Object({
  id: Id(),
  source: OneOf(topUpSources),
  reference: Type.String(),
  walletId: Id(),
  organizationId: Id(),
  locationId: Nullable(Id('Null for the organization’s own wallet.')),
  environment: OneOf(environments),
  currency: Type.String(),
  amount: Type.Number(),
  exact: Type.Object({ amount: ExactText }),
  status: OneOf(topUpStatuses, { description: '`pending` until it is known whether the money came.' }),
  failure: Nullable(Type.String(), { description: 'Why no money came.' }),
  paymentMethod: Nullable(Type.String()),
  description: Nullable(Type.String()),
  createdTime: Time(),
  settledTime: Nullable(Time('When it was known whether the money came.')),
})

/** What operators see of it. Who gave it up is not the merchant's to know. */
export const OperatorTopUpShape = Type.Object({
  ...TopUpShape.properties,
  givenUpBy: Nullable(Type.String(), {
    description: 'Who gave it up: the kind of credential, or `user`, and an id. It may be paid after that.',
  }),
})

export function operatorTopUpShape(topUp: TopUp): Static<typeof OperatorTopUpShape> {
  return { ...topUpShape(topUp), givenUpBy: topUp.givenUpBy }
}

export function topUpShape(topUp: TopUp): Static<typeof TopUpShape> {
  const { id, source, reference, organizationId, locationId, environment, currency, amount } = topUp
  const { status, failure, paymentMethod, description, createdTime, settledTime } = topUp
  return {
    id,
    source,
    reference,
    walletId: topUp.accountId,
    organizationId,
    locationId,
    environment,
    currency,
    ...amounts({ amount }),
    status,
    failure,
    paymentMethod,
    description,
    createdTime,
    settledTime,
  }
}

/** What the organization is told when it is settled. */
export function topUpEvent(topUp: TopUp, now: string): NewEvent {
  const type = topUp.status === 'succeeded' ? ('top-up.succeeded' as const) : ('top-up.failed' as const)
  const { id, source, reference, accountId, organizationId, locationId, environment, currency } = topUp
  const { amount, status, failure, createdTime } = topUp
  const data = {
    walletId: accountId,
    organizationId,
    locationId,
    environment,
    currency,
    topUpId: id,
    source,
    reference,
    amount: microsText(amount),
    status,
    failure,
    createdTime,
  }
  return {
    type,
    publisherId: null,
    applicationId: null,
    organizationId,
    locationId,
    environment,
    payload: { type, timestamp: now, data },
  }
}
