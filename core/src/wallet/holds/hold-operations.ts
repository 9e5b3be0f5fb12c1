import { inTransaction } from '../../database/index.ts'
import { defineOperation, pagedReply, PageQuery, reply, type Operation } from '../../http/index.ts'
import { StoaError, Type, OneOf } from '../../kernel/index.ts'
import { chargeRefusals, paymentRefusals } from '../charges/charge-refusals.ts'
import { readChargeRequest } from '../charges/read-charge-request.ts'
import { keepDeclined } from '../charges/keep-declined.ts'
import type { ChargeQueue } from '../charges/charge-queue.ts'
import { chargeCreated } from '../charges/charge-schemas.ts'
import type { WalletContext } from '../context.ts'
import { readCharges, writeCharges } from '../permissions.ts'
import { tenantOf } from '../tenant.ts'
import { findHold, listHolds } from './hold-store.ts'
import { CaptureBody, Captured, HoldBody, HoldMade, HoldShape, holdShape } from './hold-schemas.ts'
import { holdStatuses } from './hold.ts'
import { makeHold } from './make-hold.ts'
import { readHoldRequest } from './read-hold-request.ts'
import { releaseHold } from './release-hold.ts'

const path = '/marketplace/billing/holds'
const surface = 'runtime'
const tag = 'Billing'
const callers: ['application'] = ['application']
const params = Type.Object({ holdId: Type.String() })
export function holdOperations(ctx: WalletContext, queue: ChargeQueue): Operation[] {
  return [
    defineOperation({
      id: 'createHold',
      method: 'POST',
      path,
      surface,
      tag,
      summary: 'Reserve money of the wallet for what will be charged',
      description:
        'What is reserved stays in the wallet, and nobody else can spend it, until it is captured, released, or its time is over. The ' +
        'same eventId with the same content is answered with the same hold (200, `Idempotent-Replayed: true`).',
      permission: writeCharges,
      callers,
      body: HoldBody,
      responses: { 201: HoldMade, 200: HoldMade },
      errors: [...paymentRefusals, 'validation_failed'],
      // Its own, so that what was declined can be kept when it is rolled back.
      transaction: false,
      handler: async ({ caller, db, body }) => {
        const request = readHoldRequest(caller, body)
        const { hold, replayed } = await inTransaction(db, (trx) => makeHold(ctx, trx, request)).catch(
          async (error: unknown) => {
            if (error instanceof StoaError) await keepDeclined(ctx, request, error)
            throw error
          },
        )
        const made = { success: true as const, ...holdShape(hold) }
        return replayed ? reply(200, made, { 'Idempotent-Replayed': 'true' }) : reply(201, made)
      },
    }),
    defineOperation({
      id: 'listHolds',
      method: 'GET',
      path,
      surface,
      tag,
      summary: 'List the holds of the application on the location, the latest first',
      permission: readCharges,
      callers,
      query: Type.Object({ ...PageQuery, status: Type.Optional(OneOf(holdStatuses)) }),
      responses: { 200: Type.Array(HoldShape) },
      handler: async ({ caller, db, query }) => {
        const { installationId } = tenantOf(caller)
        const { items, total } = await listHolds(db, { installationId, status: query.status ?? null }, query)
        return pagedReply({ items: items.map(holdShape), total }, query)
      },
    }),
    defineOperation({
      id: 'getHold',
      method: 'GET',
      path: `${path}/:holdId`,
      surface,
      tag,
      summary: 'See one hold',
      permission: readCharges,
      callers,
      params,
      responses: { 200: HoldShape },
      errors: ['not_found'],
      handler: async ({ caller, db, params: { holdId } }) => {
        const hold = await findHold(db, { installationId: tenantOf(caller).installationId, id: holdId })
        if (!hold) throw new StoaError('not_found')
        return holdShape(hold)
      },
    }),
    defineOperation({
      id: 'captureHold',
      method: 'POST',
      path: `${path}/:holdId/capture`,
      surface,
      tag,
      summary: 'Charge what was held, or a part of it',
      description:
        'Makes a charge of the hold’s meter. Without `final: false` what is left is released. A capture may be of more units than were ' +
        'held only with `allowExcess`, as far as the wallet has them.',
      permission: writeCharges,
      callers,
      params,
      body: CaptureBody,
      responses: { 201: Captured, 200: Captured },
      errors: [...chargeRefusals, 'not_found', 'hold_closed', 'hold_exceeded'],
      transaction: false,
      handler: async ({ caller, db, params: { holdId }, body }) => {
        const { installationId } = tenantOf(caller)
        const hold = await findHold(db, { installationId, id: holdId })
        if (!hold) throw new StoaError('not_found')
        const { final: isFinal = true, allowExcess = false, ...rest } = body
        const request = readChargeRequest(caller, { ...rest, meterId: hold.meterId }, { holdId, isFinal, allowExcess })
        const { charge, replayed } = await queue.submit(request)
        const after = (await findHold(db, { installationId, id: holdId }))!
        const made = { ...chargeCreated(charge), hold: holdShape(after) }
        return replayed ? reply(200, made, { 'Idempotent-Replayed': 'true' }) : reply(201, made)
      },
    }),
    defineOperation({
      id: 'releaseHold',
      method: 'DELETE',
      path: `${path}/:holdId`,
      surface,
      tag,
      summary: 'Let go of what a hold has left',
      description: 'Doing it again changes nothing.',
      permission: writeCharges,
      callers,
      params,
      responses: { 200: HoldMade },
      errors: ['not_found'],
      handler: async ({ caller, db, params: { holdId } }) => {
        const { installationId } = tenantOf(caller)
        const hold = await inTransaction(db, (trx) => releaseHold(ctx, trx, { installationId, id: holdId }, 'released'))
        return { success: true as const, ...holdShape(hold) }
      },
    }),
  ]
}
