import { defineOperation, type Operation } from '../../http/index.ts'
import {
  Id,
  microsNumber,
  microsText,
  Nullable,
  OneOf,
  StoaError,
  Type,
  type Micros,
  type Static,
} from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { ExactText } from '../exact.ts'
import { priceTypes } from '../meters/price.ts'
import { readCharges } from '../permissions.ts'
import { tenantOf } from '../tenant.ts'
import { retailPrices, type RetailPrice } from './retail-prices.ts'
import { unitPricesOf, type UnitPrices } from './unit-prices.ts'

const Prices = {
  pricePerUnit: Nullable(Type.Number()),
  minPricePerUnit: Nullable(Type.Number()),
  maxPricePerUnit: Nullable(Type.Number()),
  exact: Type.Object({
    pricePerUnit: Nullable(ExactText),
    minPricePerUnit: Nullable(ExactText),
    maxPricePerUnit: Nullable(ExactText),
  }),
  tiers: Nullable(Type.Array(Type.Object({ upTo: Nullable(ExactText), pricePerUnit: ExactText }))),
}

const CustomerPrices = Type.Object({
  prices: Type.Array(
    Type.Object({
      meterId: Id(),
      meterName: Type.String(),
      usageUnit: Type.String(),
      priceType: OneOf(priceTypes),
      currency: Type.String(),
      payer: OneOf(['location', 'organization'], { description: 'Whose wallet charges are taken from.' }),
      base: Type.Object(Prices, { description: 'What the application asks.' }),
      retail: Type.Object(Prices, { description: 'What the payer pays.' }),
    }),
  ),
})

/** By which an application learns what its customer pays. */
export function customerPriceOperation(ctx: WalletContext): Operation {
  return defineOperation({
    id: 'getCustomerPrices',
    method: 'GET',
    path: '/marketplace/app/:appId/prices',
    surface: 'runtime',
    tag: 'Billing',
    summary: 'See what the location pays for each meter, and who pays',
    description:
      'For the location of the token. `base` is what the application asks, `retail` what the payer pays; they differ where the ' +
      'organization resells at a price of its own. Prices of one unit, also of packages: a charge is rounded once, as a whole.',
    permission: readCharges,
    callers: ['application'],
    params: Type.Object({ appId: Id() }),
    responses: { 200: CustomerPrices },
    errors: ['not_found'],
    handler: async ({ caller, db, params: { appId } }) => {
      const tenant = tenantOf(caller)
      if (appId !== tenant.applicationId) throw new StoaError('not_found')
      return { prices: (await retailPrices(ctx, db, tenant)).map(priceShape) }
    },
  })
}

const number = (micros: Micros | null) => (micros === null ? null : microsNumber(micros))
const exact = (micros: Micros | null) => (micros === null ? null : microsText(micros))

function priceShape({ meter, payer, retail }: RetailPrice): Static<typeof CustomerPrices>['prices'][number] {
  const { id, name, unit, price } = meter
  return {
    meterId: id,
    meterName: name,
    usageUnit: unit,
    priceType: price.type,
    currency: price.currency,
    payer,
    base: pricesShape(unitPricesOf(price)),
    retail: pricesShape(retail),
  }
}

function pricesShape({ unitPrice, minPrice, maxPrice, tiers }: UnitPrices) {
  return {
    pricePerUnit: number(unitPrice),
    minPricePerUnit: number(minPrice),
    maxPricePerUnit: number(maxPrice),
    exact: { pricePerUnit: exact(unitPrice), minPricePerUnit: exact(minPrice), maxPricePerUnit: exact(maxPrice) },
    tiers: tiers?.map(({ upTo, unitPrice: each }) => ({ upTo: exact(upTo), pricePerUnit: microsText(each) })) ?? null,
  }
}
