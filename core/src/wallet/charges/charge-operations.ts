import { inTransaction } from '../../database/index.ts'
import { defineOperation, reply, type Operation } from '../../http/index.ts'
import { invalidField, readTime, StoaError, Type, Strict } from '../../kernel/index.ts'
import {
  ChargeBody,
  ChargeCreated,
  chargeCreated,
  ChargeList,
  ChargeListQuery,
  ChargeShape,
  chargeShape,
  Funds,
  FundsQuery,
  mostSkipped,
} from './charge-schemas.ts'
import { checkId } from './check-id.ts'
import { findCharge, listCharges, type ChargeFilter } from './charge-store.ts'
import type { ChargeQueue } from './charge-queue.ts'
import type { WalletContext } from '../context.ts'
import { hasFunds } from './funds.ts'
import { given } from '../given.ts'
import { readCharges, writeCharges } from '../permissions.ts'
import { readChargeRequest } from './read-charge-request.ts'
import { tenantOf } from '../tenant.ts'
import { chargeRefusals } from './charge-refusals.ts'
import { refundCharge } from './refund-charge.ts'

const path = '/marketplace/billing/charges'
const surface = 'runtime'
const tag = 'Billing'
const callers: ['application'] = ['application']
// Any text: what cannot be an id is answered like an unknown charge, not like an unknown path.
const params = Type.Object({ chargeId: Type.String() })

export function chargeOperations(ctx: WalletContext, queue: ChargeQueue): Operation[] {
  return [
    defineOperation({
      id: 'charge',
      method: 'POST',
      path,
      surface,
      tag,
      summary: 'Charge the location’s wallet for what it used',
      description:
        'Answered once it is on disk. The same eventId with the same content is answered with the same charge (200, ' +
        '`Idempotent-Replayed: true`), with other content refused. A charge that is declined is not charged later by itself: ' +
        'send the same eventId again, after a top-up for example.',
      permission: writeCharges,
      callers,
      body: ChargeBody,
      responses: { 201: ChargeCreated, 200: ChargeCreated },
      errors: [...chargeRefusals],
      transaction: false,
      handler: async ({ caller, body }) => {
        const { charge, replayed } = await queue.submit(readChargeRequest(caller, body))
        return replayed
          ? reply(200, chargeCreated(charge), { 'Idempotent-Replayed': 'true' })
          : reply(201, chargeCreated(charge))
      },
    }),
    defineOperation({
      id: 'getCharges',
      method: 'GET',
      path,
      surface,
      tag,
      summary: 'List the charges and refunds of the application on the location, the latest first',
      permission: readCharges,
      callers,
      query: ChargeListQuery,
      responses: { 200: ChargeList },
      errors: ['validation_failed'],
      handler: async ({ caller, db, query }) => {
        const filter = readFilter(query)
        const { items, total } = await listCharges(db, tenantOf(caller), filter)
        const { skip, limit } = filter
        return { charges: items.map(chargeShape), count: total, pagination: { total, skip, limit } }
      },
    }),
    // Before the next one, whose path would match it too.
    defineOperation({
      id: 'hasFunds',
      method: 'GET',
      path: `${path}/has-funds`,
      surface,
      tag,
      summary: 'Ask whether the location’s wallet could pay',
      description: 'Advice, not a reservation. Without a query: whether there is anything at all.',
      permission: readCharges,
      callers,
      query: FundsQuery,
      responses: { 200: Funds },
      errors: [
        'meter_not_found',
        'meter_inactive',
        'price_required',
        'price_not_allowed',
        'price_out_of_range',
        'invalid_units',
      ],
      handler: ({ caller, db, query }) => hasFunds(ctx, db, tenantOf(caller), query),
    }),
    defineOperation({
      id: 'getSpecificCharge',
      method: 'GET',
      path: `${path}/:chargeId`,
      surface,
      tag,
      summary: 'See one charge',
      permission: readCharges,
      callers,
      params,
      responses: { 200: ChargeShape },
      errors: ['charge_not_found'],
      handler: async ({ caller, db, params: { chargeId } }) => {
        const charge = await findCharge(db, tenantOf(caller), checkId(chargeId))
        if (!charge) throw new StoaError('charge_not_found')
        return chargeShape(charge)
      },
    }),
    defineOperation({
      id: 'deleteCharge',
      method: 'DELETE',
      path: `${path}/:chargeId`,
      surface,
      tag,
      summary: 'Give a charge back',
      description: 'The charge stays on record as refunded and its eventId stays used. Doing it again changes nothing.',
      permission: writeCharges,
      callers,
      params,
      // Empty on purpose: who sends an amount expects a part to be given back, and must not get the whole.
      body: Strict({}),
      bodyKind: 'optional',
      responses: { 200: Type.Object({ success: Type.Literal(true) }) },
      errors: ['charge_not_found', 'void_window_closed'],
      handler: async ({ caller, db, params: { chargeId } }) => {
        const all = { refundId: null, amount: null, units: null, description: null }
        await inTransaction(db, (trx) => refundCharge(ctx, trx, tenantOf(caller), checkId(chargeId), all))
        return { success: true as const }
      },
    }),
  ]
}

type ListQuery = { [Name in keyof typeof ChargeListQuery.properties]?: string | number }

function readFilter(query: ListQuery): ChargeFilter {
  const filter: ChargeFilter = {
    skip: readWhole('skip', query.skip, { least: 0, most: mostSkipped, usual: 0 }),
    limit: readWhole('limit', query.limit, { least: 1, most: 1000, usual: 100 }),
  }
  for (const name of ['meterId', 'eventId', 'userId'] as const) {
    const value = given(query[name])
    if (value !== null) filter[name] = value
  }
  const start = given(query.startDate)
  const end = given(query.endDate)
  if (start !== null) filter.startTime = readDate('startDate', start)
  if (end !== null) filter.endTime = readDate('endDate', end)
  return filter
}

function readWhole(
  name: string,
  value: string | number | undefined,
  { least, most, usual }: { least: number; most: number; usual: number },
): number {
  const text = given(value)
  if (text === null) return usual
  const number = /^\d{1,10}$/.test(text) ? Number(text) : NaN
  if (!(number >= least && number <= most)) throw invalidField(name, `must be a whole number from ${least} to ${most}`)
  return number
}

function readDate(name: string, value: string): string {
  const time = readTime(value)
  if (time === null) throw invalidField(name, 'must be an ISO 8601 date or time such as 2025-03-26')
  return time
}
