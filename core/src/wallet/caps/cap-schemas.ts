import type { Db } from '../../database/index.ts'
import { Id, Nullable, OneOf, Strict, Time, Type, microsNumber, microsText, type Static } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { amounts, Decimal, ExactText, StorableText } from '../exact.ts'
import type { CapChange } from './cap-store.ts'
import { readCapUsage } from './cap-usage.ts'
import { capRequestStatuses, type Cap, type CapRequest } from './cap.ts'
import { periods } from './period.ts'

const scope = {
  meterId: Nullable(Id(), { description: 'Null: all meters of the application together.' }),
  period: OneOf(periods, { description: 'A calendar day or month, UTC.' }),
  currency: Type.String(),
}

export const CapShape = Type.Object({
  id: Id(),
  applicationId: Id(),
  ...scope,
  amount: Type.Number({ description: 'The most the application may cost in a period.' }),
  used: Type.Number({ description: 'What it cost in the present one, without what was given back.' }),
  left: Type.Number(),
  exact: Type.Object({ amount: ExactText, used: ExactText, left: ExactText }),
  resetsAt: Time('When the present period ends.'),
  revision: Type.Integer({ description: 'Counts the decisions about it.' }),
  createdTime: Time(),
  updatedTime: Time(),
})

export const CapChangeShape = Type.Object({
  revision: Type.Integer(),
  amount: Nullable(Type.Number(), { description: 'Null: the cap was taken away.' }),
  exact: Type.Object({ amount: Nullable(ExactText) }),
  actor: Type.String({ description: 'Who decided it: the kind of credential, or `user`, and an id.' }),
  reason: Nullable(Type.String()),
  time: Time(),
})

export const CapRequestShape = Type.Object({
  id: Id(),
  applicationId: Id(),
  ...scope,
  amount: Type.Number({ description: 'The cap that is asked for.' }),
  exact: Type.Object({ amount: ExactText }),
  reason: Type.String({ description: 'The application’s.' }),
  status: OneOf(capRequestStatuses, { description: 'replaced: the application asked for something else since.' }),
  answer: Nullable(Type.String(), { description: 'What the merchant says to it.' }),
  decidedTime: Nullable(Time()),
  createdTime: Time(),
})

const Amount = (description: string) => Type.Union(Decimal.anyOf, { description })
const Reason = (description: string) => Type.Optional(Nullable(StorableText(500), { description }))
const scopeBody = {
  meterId: Type.Optional(
    Nullable(StorableText(50), { description: 'Null or left out: all meters of the application together.' }),
  ),
  period: scope.period,
  currency: Type.Optional(
    Type.String({ pattern: '^[A-Z]{3}$', description: 'By default that of the meter, or of the host.' }),
  ),
}

export const SetCapBody = Strict({
  ...scopeBody,
  amount: Amount('The most the application may cost in a period; a number or decimal text, 0 or more.'),
  reason: Reason('Why, for your own record; the application does not see it.'),
})
export const RemoveCapBody = Strict({ reason: Reason('Why, for your own record.') })
export const AskForCapBody = Strict({
  ...scopeBody,
  amount: Amount('The cap you ask for, more than the present one.'),
  reason: Type.String({ ...StorableText(500), minLength: 1, description: 'Why, for the merchant to read.' }),
})
export const ApproveCapRequestBody = Strict({
  amount: Amount('What the request was shown to ask for; another amount is refused.'),
  answer: Reason('For the application to read.'),
})
export const RefuseCapRequestBody = Strict({ answer: Reason('For the application to read.') })

/** With what was used of it. */
export async function capShape({ clock }: WalletContext, db: Db, cap: Cap): Promise<Static<typeof CapShape>> {
  const { id, applicationId, meterId, period, currency, amount, revision, createdTime, updatedTime } = cap
  const { used, left, resetsTime } = await readCapUsage(db, clock, cap)
  return {
    id,
    applicationId,
    meterId,
    period,
    currency,
    ...amounts({ amount, used, left }),
    resetsAt: resetsTime,
    revision,
    createdTime,
    updatedTime,
  }
}

export function capChangeShape({ amount, ...change }: CapChange): Static<typeof CapChangeShape> {
  return {
    ...change,
    amount: amount === null ? null : microsNumber(amount),
    exact: { amount: amount === null ? null : microsText(amount) },
  }
}

export function capRequestShape(request: CapRequest): Static<typeof CapRequestShape> {
  const { id, applicationId, meterId, period, currency, amount, reason, status, answer } = request
  const { decidedTime, createdTime } = request
  const scoped = { id, applicationId, meterId, period, currency }
  return { ...scoped, ...amounts({ amount }), reason, status, answer, decidedTime, createdTime }
}
