import { environments } from '../../context.ts'
import { Id, Nullable, OneOf, Strict, Time, Type, type Static } from '../../kernel/index.ts'
import { amounts, Decimal, ExactText, StorableText } from '../exact.ts'
import { transactionKinds } from '../ledger/ledger.ts'
import { payoutStatuses, type Payout, type PayoutPart } from './payout.ts'
import type { EarningAccount } from './collected-store.ts'
import type { RunSummary } from './payout-run-store.ts'
import type { PayoutItem } from './payout-store.ts'

export const Currency = Type.String({ pattern: '^[A-Z]{3}$' })

export const RunBody = Strict({
  environment: OneOf(environments),
  currency: Type.Optional(Type.String({ pattern: '^[A-Z]{3}$', description: 'The host’s when it is left out.' })),
  cutoffTime: Type.Optional(
    Time('What was booked before it is paid. At least a minute back, which is also what it is when it is left out.'),
  ),
  minimum: Type.Optional(
    Type.Union(Decimal.anyOf, { description: 'What comes to less waits for another run. 0 when it is left out.' }),
  ),
})

export const RunShape = Type.Object({
  id: Id(),
  status: OneOf(['running', 'finished']),
  environment: OneOf(environments),
  currency: Type.String(),
  cutoffTime: Time(),
  minimum: Type.Number(),
  payouts: Type.Integer({ description: 'That it has made so far.' }),
  amount: Type.Number({ description: 'Of all of its payouts so far together, also of those that failed.' }),
  exact: Type.Object({ minimum: ExactText, amount: ExactText }),
  skipped: Type.Integer({
    description:
      'Organizations that it could not pay: what is due to them is left for the next run. Why, says the host’s log.',
  }),
  skippedOrganizationIds: Type.Array(Id(), { description: 'Of these the first 100.' }),
  actor: Type.String(),
  createdTime: Time(),
  finishedTime: Nullable(Time('Null while it is running.')),
})

const sums = {
  earned: Type.Number({ description: 'The sum of its items.' }),
  carriedIn: Type.Number({ description: 'Owed from former payouts: what they left over, and what failed.' }),
  carriedOut: Type.Number({ description: 'Less than the currency’s smallest unit; left for the next payout.' }),
  amount: Type.Number({ description: 'What is transferred: earned + carriedIn - carriedOut.' }),
  exact: Type.Object({ earned: ExactText, carriedIn: ExactText, carriedOut: ExactText, amount: ExactText }),
}

export const PayoutShape = Type.Object({
  id: Id(),
  runId: Id(),
  organizationId: Id(),
  environment: OneOf(environments),
  currency: Type.String(),
  ...sums,
  status: OneOf(payoutStatuses),
  reference: Nullable(Type.String({ description: 'The platform’s own number of the transfer.' })),
  failure: Nullable(Type.String()),
  createdTime: Time(),
  settledTime: Nullable(Time()),
})

const kinds = { kind: OneOf(['application', 'margin']), applicationId: Nullable(Id('Null of the margin.')) }

export const PayoutWithParts = Type.Object({
  ...PayoutShape.properties,
  parts: Type.Array(Type.Object({ ...kinds, ...sums }), { description: 'By what it was earned with.' }),
})

export const ItemShape = Type.Object({
  transactionId: Id(),
  seq: Type.Integer(),
  earnedWith: OneOf(['application', 'margin']),
  kind: OneOf(transactionKinds),
  referenceId: Id('The charge, batch of charges, subscription item or adjustment.'),
  applicationId: Nullable(Id()),
  amount: Type.Number(),
  exact: Type.Object({ amount: ExactText }),
  bookedTime: Time(),
})

export const EarningsShape = Type.Object({
  organizationId: Id(),
  environment: OneOf(environments),
  currency: Type.String(),
  due: Type.Number({ description: 'What is owed now; negative when more was given back than earned.' }),
  payable: Type.Number({ description: 'What a payout would transfer now.' }),
  exact: Type.Object({ due: ExactText, payable: ExactText }),
  parts: Type.Array(
    Type.Object({
      ...kinds,
      earned: Type.Number({ description: 'Since the last payout.' }),
      carried: Type.Number({ description: 'Left over by former payouts, or failed.' }),
      due: Type.Number(),
      exact: Type.Object({ earned: ExactText, carried: ExactText, due: ExactText }),
    }),
  ),
})

export const PaidBody = Strict({
  reference: Type.String({ ...StorableText(255), minLength: 1, description: 'Your own number of the transfer.' }),
})
export const FailedBody = Strict({
  reason: Type.String({ ...StorableText(1000), minLength: 1, description: 'Shown to the organization.' }),
})

export function runShape({ id, minimum, amount, position: _, skipped, ...run }: RunSummary): Static<typeof RunShape> {
  return {
    id,
    status: run.finishedTime === null ? 'running' : 'finished',
    ...run,
    ...amounts({ minimum, amount }),
    skipped: skipped.count,
    skippedOrganizationIds: skipped.organizationIds,
  }
}

export function payoutShape(payout: Payout): Static<typeof PayoutShape> {
  const { id, runId, organizationId, environment, currency, status, reference, failure, createdTime, settledTime } =
    payout
  const { earned, carriedIn, carriedOut, amount } = payout
  return {
    id,
    runId,
    organizationId,
    environment,
    currency,
    ...amounts({ earned, carriedIn, carriedOut, amount }),
    status,
    reference,
    failure,
    createdTime,
    settledTime,
  }
}

export function partShape({
  account,
  earned,
  carriedIn,
  carriedOut,
  amount,
}: PayoutPart & { account: EarningAccount }) {
  return { ...earnedWith(account), ...amounts({ earned, carriedIn, carriedOut, amount }) }
}

export function earnedWith({ kind, ownerId }: EarningAccount) {
  return kind === 'margin'
    ? { kind: 'margin' as const, applicationId: null }
    : { kind: 'application' as const, applicationId: ownerId }
}

export function itemShape({ accountKind, amount, ...item }: PayoutItem): Static<typeof ItemShape> {
  return {
    ...item,
    kind: item.kind as (typeof transactionKinds)[number],
    earnedWith: accountKind === 'margin' ? 'margin' : 'application',
    ...amounts({ amount }),
  }
}
