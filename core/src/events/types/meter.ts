import { Id, Nullable, OneOf, Time, Type } from '../../kernel/index.ts'
import { exampleIds, exampleTime, ownType, type OwnType } from './own-type.ts'

const Decimal = () => Type.String({ pattern: '^\\d+(\\.\\d+)?$', description: 'Decimal text.' })

const PriceData = Type.Object({
  version: Type.Integer(),
  text: Type.String({ description: 'All of it in words.' }),
  price: Nullable(Decimal()),
  minPrice: Nullable(Decimal()),
  maxPrice: Nullable(Decimal()),
  rateBps: Nullable(Type.Integer({ description: 'Hundredths of a percent.' })),
  packageSize: Nullable(Decimal()),
  tiers: Nullable(Type.Array(Type.Object({ upTo: Nullable(Decimal()), price: Decimal() }))),
  freeUnits: Decimal(),
  dailyLimit: Nullable(Decimal()),
  cycleLimit: Nullable(Decimal()),
})
const price = {
  minPrice: null,
  maxPrice: null,
  rateBps: null,
  packageSize: null,
  tiers: null,
  freeUnits: '0',
  dailyLimit: null,
  cycleLimit: null,
}

export const meterTypes = {
  'meter.price-changed': ownType('meter.price-changed', {
    sentence: 'A meter of your application has a new price, or will have one from a time on.',
    data: Type.Object({
      applicationId: Id(),
      meterId: Id(),
      name: Type.String(),
      unit: Type.String(),
      priceType: OneOf(['fixed', 'dynamic', 'package', 'graduated', 'volume', 'percentage']),
      currency: Type.String({ pattern: '^[A-Z]{3}$' }),
      from: PriceData,
      to: PriceData,
      effectiveTime: Time('From when the new price holds. It may lie ahead.'),
    }),
    example: {
      applicationId: exampleIds.application,
      meterId: 'mtr_01a1ff50919a7ee88951eddf34997d15',
      name: 'Messages',
      unit: 'message',
      priceType: 'fixed',
      currency: 'USD',
      from: { ...price, version: 1, text: '0.02 USD per message', price: '0.02' },
      to: { ...price, version: 2, text: '0.03 USD per message', price: '0.03' },
      effectiveTime: exampleTime,
    },
    audience: ['publisher'],
  }),
} satisfies Record<string, OwnType>
