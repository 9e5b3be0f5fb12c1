import { inTransaction } from '../../database/index.ts'
import { defineOperation, pagedReply, PageQuery, reply, type Operation } from '../../http/index.ts'
import { Id, invalidField, Nullable, StoaError, Strict, Time, Type, type Static } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { amounts, Decimal, ExactText, StorableText } from '../exact.ts'
import { given } from '../given.ts'
import { readCharges, writeCharges } from '../permissions.ts'
import { readPositive } from '../read-amount.ts'
import { tenantOf } from '../tenant.ts'
import { listAttempts, type ChargeAttempt } from './charge-attempts.ts'
import type { Charge, ChargeRecord } from './charge.ts'
import { checkId } from './check-id.ts'
import { findCharge, findRefunds } from './charge-store.ts'
import { refundCharge } from './refund-charge.ts'

const RefundBody = Strict({
  refundId: Type.String({
    ...StorableText(255),
    minLength: 1,
    description: 'Your own number of the refund. The same one never gives back twice.',
  }),
  amount: Type.Optional(Nullable(Type.Union(Decimal.anyOf, { description: 'How much; or give units.' }))),
  units: Type.Optional(
    Nullable(
      Type.Union(Decimal.anyOf, {
        description: 'How many, in proportion; or give an amount. Neither: all that is left.',
      }),
    ),
  ),
  description: Type.Optional(Nullable(StorableText(1000, 'Why; shown on the statement.'))),
})

const RefundShape = Type.Object({
  chargeId: Id(),
  refundId: Nullable(Type.String(), { description: 'Null when the charge was given back as a whole.' }),
  amount: Type.Number(),
  units: Type.Number(),
  currency: Type.String(),
  exact: Type.Object({ amount: ExactText, units: ExactText }),
  description: Type.String(),
  createdAt: Time(),
})

const RefundMade = Type.Object({
  success: Type.Literal(true),
  ...RefundShape.properties,
  charge: Type.Object({
    refunded: Type.Boolean({ description: 'Whether all of it has been given back.' }),
    refundedAmount: Type.Number(),
    left: Type.Number({ description: 'What can still be given back.' }),
    exact: Type.Object({ refundedAmount: ExactText, left: ExactText }),
  }),
})

const AttemptShape = Type.Object({
  eventId: Type.String(),
  meterId: Id(),
  code: Type.String({ description: 'insufficient_funds, wallet_suspended, cap_reached or usage_limit_reached.' }),
  details: Type.Record(Type.String(), Type.Unknown(), { description: 'As the last refusal said it.' }),
  tries: Type.Integer(),
  firstTime: Time(),
  lastTime: Time(),
})

const path = '/marketplace/billing/charges'
const surface = 'runtime'
const tag = 'Billing'
const callers: ['application'] = ['application']
const params = Type.Object({ chargeId: Type.String() })

export function refundOperations(ctx: WalletContext): Operation[] {
  return [
    defineOperation({
      id: 'refundCharge',
      method: 'POST',
      path: `${path}/:chargeId/refunds`,
      surface,
      tag,
      summary: 'Give a part of a charge back',
      description:
        'Every leg of the charge is taken back in its proportion, to the micro-unit: what the publisher earned, the platform’s fee and ' +
        'the margin of who resold it. The same refundId with the same content is answered as before (200, `Idempotent-Replayed: true`).',
      permission: writeCharges,
      callers,
      params,
      body: RefundBody,
      responses: { 201: RefundMade, 200: RefundMade },
      errors: [
        'charge_not_found',
        'refund_exceeds_charge',
        'refund_id_reused',
        'void_window_closed',
        'validation_failed',
      ],
      handler: async ({ caller, db, params: { chargeId }, body }) => {
        const wish = {
          refundId: body.refundId,
          amount: readPositive(body.amount, 'amount'),
          units: readPositive(body.units, 'units'),
          description: body.description ?? null,
        }
        if (wish.amount !== null && wish.units !== null) throw invalidField('units', 'cannot stand beside amount')
        const { charge, refund, replayed } = await inTransaction(db, (trx) =>
          refundCharge(ctx, trx, tenantOf(caller), checkId(chargeId), wish),
        )
        const made = { success: true as const, ...refundShape(refund!), charge: leftOf(charge) }
        return replayed ? reply(200, made, { 'Idempotent-Replayed': 'true' }) : reply(201, made)
      },
    }),
    defineOperation({
      id: 'listRefunds',
      method: 'GET',
      path: `${path}/:chargeId/refunds`,
      surface,
      tag,
      summary: 'List what was given back of a charge, in order',
      permission: readCharges,
      callers,
      params,
      query: Type.Object(PageQuery),
      responses: { 200: Type.Array(RefundShape) },
      errors: ['charge_not_found'],
      handler: async ({ caller, db, params: { chargeId }, query }) => {
        const charge = await findCharge(db, tenantOf(caller), checkId(chargeId))
        if (!charge) throw new StoaError('charge_not_found')
        return pagedReply(await findRefunds(db, charge.id, query).then(shapeAll), query)
      },
    }),
    defineOperation({
      id: 'listChargeAttempts',
      method: 'GET',
      path: '/marketplace/billing/charge-attempts',
      surface,
      tag,
      summary: 'List charges that were declined, the latest first',
      description:
        'What the wallet, a cap or a limit refused: one line for each eventId and reason, however often it was tried.',
      permission: readCharges,
      callers,
      query: Type.Object({ ...PageQuery, eventId: Type.Optional(StorableText(255, 'Only of this eventId.')) }),
      responses: { 200: Type.Array(AttemptShape) },
      handler: async ({ caller, db, query }) => {
        const { installationId } = tenantOf(caller)
        const { items, total } = await listAttempts(db, { installationId, eventId: given(query.eventId) }, query)
        return pagedReply({ items: items.map(attemptShape), total }, query)
      },
    }),
  ]
}

const shapeAll = ({ items, total }: { items: ChargeRecord[]; total: number }) => ({
  items: items.map(refundShape),
  total,
})

function refundShape(refund: ChargeRecord): Static<typeof RefundShape> {
  const { id, refundId, amount, units, currency, description, createdTime } = refund
  return { chargeId: id, refundId, ...amounts({ amount, units }), currency, description, createdAt: createdTime }
}

function leftOf({ isRefunded, refundedAmount, amount }: Charge) {
  return { refunded: isRefunded, ...amounts({ refundedAmount, left: amount - refundedAmount }) }
}

function attemptShape(attempt: ChargeAttempt): Static<typeof AttemptShape> {
  const { eventId, meterId, code, details, tries, firstTime, lastTime } = attempt
  return { eventId, meterId, code, details, tries, firstTime, lastTime }
}
