import { ownedApplication } from '../../applications/index.ts'
import { defineOperation, pagedReply, PageQuery, reply, type Caller, type Operation, linkTo } from '../../http/index.ts'
import {
  Id,
  microsNumber,
  microsText,
  nowIso,
  Nullable,
  OneOf,
  StoaError,
  Strict,
  Time,
  Type,
  type Micros,
  type Static,
} from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { Decimal, ExactText, StorableText } from '../exact.ts'
import { findMeter, listMeters } from './meter-store.ts'
import { changeMeter, createMeter, meterStatuses, type Meter } from './meters.ts'
import { priceTypes } from './price.ts'
import { readMeters, writeMeters } from '../permissions.ts'

const Price = Nullable(Type.Number())
const ExactPrice = Nullable(ExactText)

export const MeterShape = Type.Object({
  id: Id(),
  applicationId: Id(),
  name: Type.String(),
  unit: Type.String(),
  priceType: OneOf(priceTypes),
  price: Price,
  minPrice: Price,
  maxPrice: Price,
  exact: Type.Object({ price: ExactPrice, minPrice: ExactPrice, maxPrice: ExactPrice }),
  currency: Type.String(),
  priceVersion: Type.Integer({
    description: 'Counts the prices the meter has had; each charge names the one it was made at.',
  }),
  status: OneOf(meterStatuses),
  createdTime: Time(),
  updatedTime: Time(),
})

const Name = Type.String({ ...StorableText(100), minLength: 1, description: 'Shown to those who pay.' })
const Unit = Type.String({
  ...StorableText(19),
  minLength: 1,
  description: 'What one unit is called: message, execution, page.',
})
const Money = (description: string) => Type.Optional(Nullable(Type.Union(Decimal.anyOf, { description })))
const prices = {
  price: Money('Per unit, from 0 to 200 with at most 6 decimals; fixed meters only.'),
  minPrice: Money('The least a charge may ask per unit; dynamic meters only.'),
  maxPrice: Money('The most a charge may ask per unit; dynamic meters only.'),
}

const CreateMeterBody = Strict({ name: Name, unit: Unit, priceType: OneOf(priceTypes), ...prices })
const UpdateMeterBody = Strict({
  name: Type.Optional(Name),
  unit: Type.Optional(Unit),
  priceType: Type.Optional(OneOf(priceTypes, { description: 'Cannot be changed; the present one is accepted.' })),
  status: Type.Optional(OneOf(meterStatuses)),
  ...prices,
})

const path = '/developers/applications/:id/meters'
const surface = 'author'
const tag = 'Meters'
const scope = 'organization'
const ofApplication = Type.Object({ id: Id() })
const one = Type.Object({ id: Id(), meterId: Id() })

export function meterOperations(ctx: WalletContext): Operation[] {
  return [
    defineOperation({
      id: 'createMeter',
      method: 'POST',
      path,
      scope,
      surface,
      tag,
      summary: 'Make a meter: something the application counts and charges for',
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
      id: 'listMeters',
      method: 'GET',
      path,
      scope,
      surface,
      tag,
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
      id: 'getMeter',
      method: 'GET',
      path: `${path}/:meterId`,
      scope,
      surface,
      tag,
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
      id: 'updateMeter',
      method: 'PATCH',
      path: `${path}/:meterId`,
      scope,
      surface,
      tag,
      summary: 'Rename a meter, give it a new price, deactivate or reactivate it',
      description:
        'A new price is a new version; it holds for charges booked from now on. An inactive meter takes no charges.',
      permission: writeMeters,
      params: one,
      body: UpdateMeterBody,
      responses: { 200: MeterShape },
      errors: ['not_found', 'validation_failed'],
      handler: async ({ caller, db, params: { id, meterId }, body }) => {
        await ownedApplication(db, caller, id)
        return meterShape(await changeMeter(ctx, db, { applicationId: id, meterId }, body, actorOf(caller)))
      },
    }),
  ]
}

const actorOf = ({ kind, credentialId, userId }: Caller) =>
  userId === null ? `${kind}:${credentialId}` : `user:${userId}`

function meterShape(meter: Meter): Static<typeof MeterShape> {
  const { id, applicationId, name, unit, status, createdTime, updatedTime, price } = meter
  const number = (micros: Micros | null) => (micros === null ? null : microsNumber(micros))
  const exact = (micros: Micros | null) => (micros === null ? null : microsText(micros))
  return {
    id,
    applicationId,
    name,
    unit,
    priceType: price.type,
    price: number(price.unitPrice),
    minPrice: number(price.minPrice),
    maxPrice: number(price.maxPrice),
    exact: { price: exact(price.unitPrice), minPrice: exact(price.minPrice), maxPrice: exact(price.maxPrice) },
    currency: price.currency,
    priceVersion: price.version,
    status,
    createdTime,
    updatedTime,
  }
}
