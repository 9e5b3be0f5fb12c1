import { ownedApplication } from '../../applications/index.ts'
import { defineOperation, linkTo, pagedReply, PageQuery, reply, type Operation } from '../../http/index.ts'
import { Id, nowIso, StoaError, Type } from '../../kernel/index.ts'
import { actorOf } from '../actor-of.ts'
import type { WalletContext } from '../context.ts'
import { readMeters, writeMeters } from '../permissions.ts'
import {
  CreateMeterBody,
  MeterShape,
  meterShape,
  PriceVersionShape,
  priceVersionShape,
  UpdateMeterBody,
} from './meter-schemas.ts'
import { findMeter, listEffectiveTimes, listMeters, listPrices } from './meter-store.ts'
import { changeMeter, createMeter } from './meters.ts'

const path = '/developers/applications/:id/meters'
const common = { surface: 'author', tag: 'Meters', scope: 'organization' } as const
const ofApplication = Type.Object({ id: Id() })
const one = Type.Object({ id: Id(), meterId: Id() })

/** What authors do with the meters of their applications. */
export function meterOperations(ctx: WalletContext): Operation[] {
  return [
    defineOperation({
      ...common,
      id: 'createMeter',
      method: 'POST',
      path,
      summary: 'Make a meter: something the application counts and charges for',
      description:
        'A `fixed` meter has one price; of a `dynamic` one each charge brings its own, within bounds; a `package` costs once it is begun; tiers are `graduated` (each unit at the price of its tier) or by `volume` (all units of a charge at the price of the tier the month has come to); `percentage` is a share of an amount that comes with the charge.',
      permission: writeMeters,
      params: ofApplication,
      body: CreateMeterBody,
      responses: { 201: MeterShape },
      errors: ['not_found', 'validation_failed'],
      handler: async ({ caller, db, params: { id }, body }) => {
        const application = await ownedApplication(db, caller, id)
        const meter = await createMeter(ctx, db, application, body, actorOf(caller))
        const location = linkTo(ctx, caller, `/developers/applications/${id}/meters/${meter.id}`)
        return reply(201, meterShape(meter), { Location: location })
      },
    }),
    defineOperation({
      ...common,
      id: 'listMeters',
      method: 'GET',
      path,
      summary: 'List an application’s meters',
      permission: readMeters,
      params: ofApplication,
      query: Type.Object(PageQuery),
      responses: { 200: Type.Array(MeterShape) },
      errors: ['not_found'],
      handler: async ({ caller, db, params: { id }, query }) => {
        await ownedApplication(db, caller, id)
        const { items, total } = await listMeters(db, id, query, nowIso(ctx.clock))
        return pagedReply({ items: items.map(meterShape), total }, query)
      },
    }),
    defineOperation({
      ...common,
      id: 'getMeter',
      method: 'GET',
      path: `${path}/:meterId`,
      summary: 'See one meter',
      permission: readMeters,
      params: one,
      responses: { 200: MeterShape },
      errors: ['not_found'],
      handler: async ({ caller, db, params: { id, meterId } }) => {
        await ownedApplication(db, caller, id)
        const meter = await findMeter(db, { applicationId: id, meterId }, nowIso(ctx.clock))
        if (!meter) throw new StoaError('not_found')
        return meterShape(meter)
      },
    }),
    defineOperation({
      ...common,
      id: 'updateMeter',
      method: 'PATCH',
      path: `${path}/:meterId`,
      summary: 'Rename a meter, give it a new price now or later, deactivate or reactivate it',
      description:
        'A new price is a new version; it holds for charges booked from its time on, and what is not sent of it stays as it was. 20 prices can be planned. An inactive meter takes no charges.',
      permission: writeMeters,
      params: one,
      body: UpdateMeterBody,
      responses: { 200: MeterShape },
      errors: ['not_found', 'validation_failed', 'limit_reached'],
      handler: async ({ caller, db, params: { id, meterId }, body }) => {
        await ownedApplication(db, caller, id)
        return meterShape(await changeMeter(ctx, db, { applicationId: id, meterId }, body, actorOf(caller)))
      },
    }),
    defineOperation({
      ...common,
      id: 'listMeterPrices',
      method: 'GET',
      path: `${path}/:meterId/prices`,
      summary: 'List the prices a meter has had, has and will have, the latest decision first',
      permission: readMeters,
      params: one,
      query: Type.Object(PageQuery),
      responses: { 200: Type.Array(PriceVersionShape) },
      errors: ['not_found'],
      handler: async ({ caller, db, params: { id, meterId }, query }) => {
        await ownedApplication(db, caller, id)
        const meter = await findMeter(db, { applicationId: id, meterId }, nowIso(ctx.clock))
        if (!meter) throw new StoaError('not_found')
        const { items, total } = await listPrices(db, meter, query)
        const times = await listEffectiveTimes(db, meter.id)
        return pagedReply({ items: items.map((price) => priceVersionShape(meter, price, times)), total }, query)
      },
    }),
  ]
}
