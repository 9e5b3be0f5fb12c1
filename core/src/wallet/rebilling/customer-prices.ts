import { visibleApplication } from '../../applications/index.ts'
import { defineOperation, type Operation } from '../../http/index.ts'
import { Id, microsNumber, microsText, Nullable, OneOf, StoaError, Type, type Micros } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { ExactText } from '../exact.ts'
import { priceTypes } from '../meters/price.ts'
import { readCharges, readSubscriptions } from '../permissions.ts'
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
  rateBps: Nullable(
    Type.Integer({ description: 'Of a percentage: hundredths of a percent of the amount that comes with a charge.' }),
  ),
  tiers: Nullable(Type.Array(Type.Object({ upTo: Nullable(ExactText), pricePerUnit: ExactText }))),
}

const Metered = {
  meterId: Id(),
  meterName: Type.String(),
  usageUnit: Type.String(),
  priceType: OneOf(priceTypes),
  currency: Type.String(),
  payer: OneOf(['location', 'organization'], { description: 'Whose wallet charges are taken from.' }),
  freeUnits: Type.String({ description: 'Units of each calendar month (UTC) that cost nothing, as decimal text.' }),
  packageSize: Nullable(
    Type.String({
      description: 'Units that are paid together, as decimal text, as soon as the first of them is used.',
    }),
  ),
}

const CustomerPrices = Type.Object({
  prices: Type.Array(
    Type.Object({
      ...Metered,
      base: Type.Object(Prices, { description: 'What the application asks.' }),
      retail: Type.Object(Prices, { description: 'What the payer pays.' }),
    }),
  ),
})

/** By which an application learns what its customer pays, and a merchant what they will. */
export function customerPriceOperations(ctx: WalletContext): Operation[] {
  return [
    defineOperation({
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
        const prices = await retailPrices(ctx, db, tenant)
        return {
          prices: prices.map((each) => ({
            ...meteredShape(each),
            base: pricesShape(unitPricesOf(each.meter.price)),
            retail: pricesShape(each.retail),
          })),
        }
      },
    }),
    defineOperation({
      id: 'listApplicationPrices',
      method: 'GET',
      path: '/application-instances/:applicationId/prices',
      surface: 'store',
      tag: 'Subscriptions',
      scope: 'target',
      summary: 'See what the use of an application costs here',
      description:
        'For each of its meters, what this location pays, or would pay once it is installed; for an organization, what its locations pay ' +
        'for which it has no rule of their own. Prices of one unit, also of packages.',
      permission: readSubscriptions,
      params: Type.Object({ applicationId: Id() }),
      responses: { 200: Type.Array(Type.Object({ ...Metered, ...Prices })) },
      errors: ['not_found'],
      handler: async ({ caller, db, params: { applicationId } }) => {
        await visibleApplication(ctx, db, caller, applicationId)
        const { organizationId, locationId, environment } = caller
        const place = { applicationId, organizationId, locationId: locationId ?? '', environment }
        const prices = await retailPrices(ctx, db, place)
        return prices.map((each) => ({ ...meteredShape(each), ...pricesShape(each.retail) }))
      },
    }),
  ]
}

const number = (micros: Micros | null) => (micros === null ? null : microsNumber(micros))
const exact = (micros: Micros | null) => (micros === null ? null : microsText(micros))

function meteredShape({ meter, payer }: RetailPrice) {
  const { id, name, unit, price } = meter
  return {
    meterId: id,
    meterName: name,
    usageUnit: unit,
    priceType: price.type,
    currency: price.currency,
    payer,
    freeUnits: microsText(price.freeUnits),
    packageSize: exact(price.packageSize),
  }
}

function pricesShape({ unitPrice, minPrice, maxPrice, rateBps, tiers }: UnitPrices) {
  return {
    pricePerUnit: number(unitPrice),
    minPricePerUnit: number(minPrice),
    maxPricePerUnit: number(maxPrice),
    exact: { pricePerUnit: exact(unitPrice), minPricePerUnit: exact(minPrice), maxPricePerUnit: exact(maxPrice) },
    rateBps,
    tiers: tiers?.map(({ upTo, unitPrice: each }) => ({ upTo: exact(upTo), pricePerUnit: microsText(each) })) ?? null,
  }
}
