import { environments } from '../../context.ts'
import { defineOperation, pagedReply, PageQuery, type Caller, type Operation } from '../../http/index.ts'
import {
  Id,
  microsNumber,
  microsText,
  Nullable,
  OneOf,
  StoaError,
  Strict,
  Time,
  Type,
  type Static,
} from '../../kernel/index.ts'
import { actorOf } from '../actor-of.ts'
import type { WalletContext } from '../context.ts'
import { Decimal, ExactText } from '../exact.ts'
import { readRebilling, writeRebilling } from '../permissions.ts'
import { deleteRebilling, placeOf, putRebilling, type RebillingTarget } from './change-rebilling.ts'
import {
  findRebillingAt,
  listRebillings,
  listVersions,
  type RebillingPlace,
  type RebillingVersion,
} from './rebilling-store.ts'

const highestMarkup = 1_000_000

const RebillingShape = Type.Object({
  id: Id('Of this version; charges that it resold refer to it.'),
  version: Type.Integer(),
  locationId: Nullable(Id('Null for all locations.')),
  applicationId: Nullable(Id('Null for all applications.')),
  itemId: Nullable(Id('A meter or a plan; null for all.')),
  environment: OneOf(environments),
  enabled: Type.Boolean({
    description: 'True: the location pays your price. False: your organization pays the application’s.',
  }),
  markupBps: Nullable(Type.Integer({ description: 'Hundredths of a percent on top of the application’s price.' })),
  ownPrice: Nullable(Type.Number({ description: 'Of one unit of the meter, or of the plan for a period.' })),
  exact: Type.Object({ ownPrice: Nullable(ExactText) }),
  currency: Nullable(Type.String({ description: 'Of the own price.' })),
  actor: Type.String(),
  createdTime: Time(),
  endedTime: Nullable(Time('Null while it is in force.')),
})

const RebillingBody = Strict({
  enabled: Type.Boolean({
    description:
      'True takes one of markupBps and ownPrice. False takes neither: your organization pays what the application asks.',
  }),
  markupBps: Type.Optional(
    Nullable(
      Type.Integer({
        minimum: 0,
        maximum: highestMarkup,
        description: 'Hundredths of a percent: 500 makes 1.05 of 1. Not a percentage and not a factor.',
      }),
    ),
  ),
  ownPrice: Type.Optional(
    Nullable(
      Type.Union(Decimal.anyOf, {
        description: 'For a single item, at least what the application asks; at most 6 decimals.',
      }),
    ),
  ),
})

const place = Type.Object({
  locationId: Id('A location of yours, or `all`.'),
  applicationId: Id('An application, or `all`.'),
  itemId: Id('A meter or a plan of the application, or `all`.'),
})

const surface = 'store'
const tag = 'Reselling'
const scope = 'organization'
const path = '/rebilling/:locationId/:applicationId/:itemId'

export function rebillingOperations(ctx: WalletContext): Operation[] {
  return [
    defineOperation({
      id: 'listRebillings',
      method: 'GET',
      path: '/rebilling',
      scope,
      surface,
      tag,
      summary: 'List the rules by which the organization resells to its locations',
      description:
        'Those in force, in the environment of the credential. Of the rules that fit a charge the most particular one holds: the ' +
        'location counts for more than the item, the item for more than the application. Where none fits, the location pays what ' +
        'the application asks.',
      permission: readRebilling,
      query: Type.Object({
        ...PageQuery,
        locationId: Type.Optional(Id('Only rules for this location.')),
        applicationId: Type.Optional(Id('Only rules for this application.')),
      }),
      responses: { 200: Type.Array(RebillingShape) },
      handler: async ({ caller, db, query: { locationId, applicationId, ...page } }) => {
        const filter = {
          ...(locationId !== undefined && { locationKey: keyOf(locationId) }),
          ...(applicationId !== undefined && { applicationKey: keyOf(applicationId) }),
        }
        const { items, total } = await listRebillings(db, caller, filter, page)
        return pagedReply({ items: items.map(rebillingShape), total }, page)
      },
    }),
    defineOperation({
      id: 'getRebilling',
      method: 'GET',
      path,
      scope,
      surface,
      tag,
      summary: 'See the rule in force at exactly this place',
      permission: readRebilling,
      params: place,
      responses: { 200: RebillingShape },
      errors: ['not_found'],
      handler: async ({ caller, db, params }) => {
        const rule = await findRebillingAt(db, ownPlace(caller, targetOf(params)))
        if (!rule) throw new StoaError('not_found')
        return rebillingShape(rule)
      },
    }),
    defineOperation({
      id: 'putRebilling',
      method: 'PUT',
      path,
      scope,
      surface,
      tag,
      summary: 'Resell at a markup or an own price, or pay for the locations',
      description:
        'A change is a new version and holds for charges from now on; what was charged is given back as it was taken. An own price ' +
        'that the application’s price overtakes counts as the application’s. What the application gives for nothing, such as an allowance, ' +
        'stays free.',
      permission: writeRebilling,
      params: place,
      body: RebillingBody,
      responses: { 200: RebillingShape },
      errors: ['not_found', 'validation_failed', 'limit_reached'],
      handler: async ({ caller, db, params, body }) => {
        const at = await placeOf(ctx, db, caller, targetOf(params))
        return rebillingShape(await putRebilling(ctx, db, at, body, actorOf(caller)))
      },
    }),
    defineOperation({
      id: 'deleteRebilling',
      method: 'DELETE',
      path,
      scope,
      surface,
      tag,
      summary: 'End a rule, so that the next more general one holds',
      permission: writeRebilling,
      params: place,
      responses: { 204: null },
      errors: ['not_found'],
      handler: async ({ caller, db, params }) => {
        await deleteRebilling(ctx, db, ownPlace(caller, targetOf(params)))
        return undefined
      },
    }),
    defineOperation({
      id: 'listRebillingVersions',
      method: 'GET',
      path: `${path}/versions`,
      scope,
      surface,
      tag,
      summary: 'See how the rule at a place came to what it is, the latest first',
      permission: readRebilling,
      params: place,
      query: Type.Object(PageQuery),
      responses: { 200: Type.Array(RebillingShape) },
      errors: ['not_found'],
      handler: async ({ caller, db, params, query }) => {
        const { items, total } = await listVersions(db, ownPlace(caller, targetOf(params)), query)
        if (total === 0) throw new StoaError('not_found')
        return pagedReply({ items: items.map(rebillingShape), total }, query)
      },
    }),
  ]
}

type PlaceParams = Record<'locationId' | 'applicationId' | 'itemId', string>

const idOf = (part: string): string | null => (part === 'all' ? null : part)
const keyOf = (part: string): string => idOf(part) ?? ''

const targetOf = ({ locationId, applicationId, itemId }: PlaceParams): RebillingTarget => ({
  locationId: idOf(locationId),
  applicationId: idOf(applicationId),
  itemId: idOf(itemId),
})

/** Where the organization may have a rule. It is looked up as it is: rules outlive what they are about. */
const ownPlace = ({ organizationId, environment }: Caller, target: RebillingTarget): RebillingPlace => ({
  organizationId,
  environment,
  locationKey: target.locationId ?? '',
  applicationKey: target.applicationId ?? '',
  itemKey: target.itemId ?? '',
})

function rebillingShape(rule: RebillingVersion): Static<typeof RebillingShape> {
  const { id, version, environment, enabled, markupBps, ownPrice, currency, actor, createdTime, endedTime } = rule
  return {
    id,
    version,
    locationId: rule.locationKey || null,
    applicationId: rule.applicationKey || null,
    itemId: rule.itemKey || null,
    environment,
    enabled,
    markupBps,
    ownPrice: ownPrice === null ? null : microsNumber(ownPrice),
    exact: { ownPrice: ownPrice === null ? null : microsText(ownPrice) },
    currency,
    actor,
    createdTime,
    endedTime,
  }
}
