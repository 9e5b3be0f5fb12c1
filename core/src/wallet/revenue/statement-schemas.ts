import { environments } from '../../context.ts'
import { Id, Nullable, OneOf, Time, Type } from '../../kernel/index.ts'
import { ExactText } from '../exact.ts'
import { transactionKinds } from '../ledger/ledger.ts'

export const StatementQuery = {
  month: Type.Optional(Type.String({ maxLength: 7, description: 'Such as 2026-03, UTC; the present one by default.' })),
  from: Type.Optional(
    Type.String({ maxLength: 40, description: 'A date or a time with its zone, in place of a month.' }),
  ),
  to: Type.Optional(Type.String({ maxLength: 40, description: 'The end of the range, excluded.' })),
  currency: Type.Optional(Type.String({ pattern: '^[A-Z]{3}$' })),
  format: Type.Optional(OneOf(['json', 'csv'], { description: 'As `Accept` says when it is left out.' })),
}

const common = {
  environment: OneOf(environments),
  currency: Type.String(),
  from: Time('Included. What counts is the time of booking.'),
  to: Time('Excluded.'),
  closed: Type.Boolean({ description: 'Whether nothing can be added to it any more: then it never changes.' }),
  openingBalance: ExactText,
  closingBalance: ExactText,
}

export const WalletStatement = Type.Object({
  organizationId: Id(),
  locationId: Nullable(Id()),
  ...common,
  lines: Type.Array(
    Type.Object({
      number: Type.Integer({ description: 'Counts the wallet’s lines, without gaps.' }),
      bookedTime: Time(),
      eventTime: Time(),
      kind: OneOf(transactionKinds),
      transactionId: Id(),
      referenceId: Type.String(),
      applicationId: Nullable(Id()),
      description: Nullable(Type.String()),
      amount: ExactText,
      balance: ExactText,
    }),
  ),
  next: Type.Union([Type.Integer(), Type.Null()], {
    description: 'Send it as `after` for the lines that follow; null at the end.',
  }),
})

const total = { kind: OneOf(transactionKinds), count: Type.Integer(), amount: ExactText }

export const ApplicationStatement = Type.Object({
  applicationId: Id(),
  ...common,
  totals: Type.Array(Type.Object(total), { description: 'What changed the balance, by why.' }),
  meters: Type.Array(
    Type.Object({
      meterId: Id(),
      kind: OneOf(['charge', 'refund']),
      count: Type.Integer(),
      units: ExactText,
      paid: Type.String({ description: 'By customers, with the margin of those who resell.' }),
      base: Type.String({ description: 'Of it, what the application asks.' }),
      fee: Type.String({ description: 'Of the base, the platform’s share.' }),
      earned: Type.String({ description: 'The rest.' }),
    }),
    { description: 'Charges by meter; what was given back is negative.' },
  ),
})

export const MarginStatement = Type.Object({
  organizationId: Id(),
  ...common,
  totals: Type.Array(Type.Object({ ...total, applicationId: Nullable(Id()) }), {
    description: 'What changed the margin, by why and with which application.',
  }),
})
