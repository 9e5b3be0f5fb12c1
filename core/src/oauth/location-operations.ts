import { findApplicationToken } from '../access/index.ts'
import { findApplication } from '../applications/index.ts'
import type { Db } from '../database/index.ts'
import { defineOperation, type Caller, type Operation, type RequestFacts } from '../http/index.ts'
import { findInstallationById, listInstalledLocations } from '../installations/index.ts'
import { hashToken, Id, StoaError, Type, versionIdOf, type Static } from '../kernel/index.ts'
import { installationsOnPlan } from '../wallet/index.ts'
import type { OAuthContext } from './context.ts'
import { locationTokens } from './exchange-token.ts'
import { pageTokenOf, readPageToken } from './page-token.ts'
import { exchangeTokens, listInstalled } from './permissions.ts'
import { inCamelCase, TokenAnswer } from './token-answer.ts'

const common = { tag: 'OAuth', callers: ['application'], transaction: true } as const

const LocationForm = Type.Object({ companyId: Id(), locationId: Id() })
const Flag = Type.Optional(Type.Boolean())
const filters = {
  companyId: Id('The organization of the token.'),
  appId: Id('The application of the token.'),
  query: Type.Optional(Type.String({ maxLength: 100, description: 'Part of a name.' })),
  isInstalled: Flag,
  versionId: Type.Optional(Type.String({ maxLength: 100 })),
  onTrial: Flag,
  planId: Type.Optional(Type.String({ maxLength: 100 })),
  locationId: Type.Optional(Id()),
}
type Filters = Static<Type.TObject<typeof filters>>

const LocationItem = Type.Object({
  _id: Id(),
  name: Type.String(),
  address: Type.String(),
  isInstalled: Type.Boolean(),
  versionId: Type.Optional(Type.String()),
  installedAt: Type.Optional(Type.String({ format: 'date-time' })),
})
const Text = Type.Optional(Type.String())

/** How an organization's token gets at the locations: HighLevel's operations, in the shapes of both of its versions. */
export function locationOperations(ctx: OAuthContext): Operation[] {
  const exchange = async (db: Db, caller: Caller, form: Static<typeof LocationForm>, request: RequestFacts) => {
    const { application } = caller
    if (caller.locationId !== null || !application) throw ofLocation()
    if (form.companyId !== caller.organizationId) throw new StoaError('tenant_mismatch')
    // The caller was authenticated by this very token.
    const { authorization, 'x-api-key': apiKey, 'reb-apikey': rebApiKey } = request.headers
    const token = String(authorization ?? apiKey ?? rebApiKey).replace(/^\S+\s+/, '')
    const companyHash = hashToken(token)
    const company = await findApplicationToken(db, companyHash)
    const found = await findApplication(db, application.applicationId)
    if (!company || !found) throw new StoaError('invalid_token')
    const proof = { keyThumbprint: company.keyThumbprint, traceId: request.traceId }
    const { secretId } = company
    return locationTokens(ctx, db, { application: found, companyHash, locationId: form.locationId, secretId, proof })
  }
  return [
    defineOperation({
      ...common,
      callers: [...common.callers],
      id: 'get-location-access-token',
      surface: 'runtime',
      method: 'POST',
      path: '/oauth/locationToken',
      summary: 'Get tokens of a location by the token of its organization',
      description: 'For a location in which the application is enabled. A form or JSON.',
      permission: exchangeTokens,
      bodyKind: 'form',
      body: LocationForm,
      responses: { 200: TokenAnswer },
      errors: ['invalid_request', 'tenant_mismatch', 'not_found', 'not_installed', 'invalid_grant'],
      handler: ({ db, caller, body, request }) => exchange(db, caller, body, request),
    }),
    defineOperation({
      ...common,
      callers: [...common.callers],
      id: 'get-location-token-v3',
      surface: 'runtime-v3',
      method: 'POST',
      path: '/oauth/location-token',
      summary: 'Get tokens of a location by the token of its organization, in version 3',
      permission: exchangeTokens,
      bodyKind: 'form',
      body: LocationForm,
      responses: { 200: Type.Object({ accessToken: Type.String(), refreshToken: Text, locationId: Text }) },
      errors: ['invalid_request', 'tenant_mismatch', 'not_found', 'not_installed', 'invalid_grant'],
      handler: async ({ db, caller, body, request }) =>
        inCamelCase(await exchange(db, caller, body, request)) as { accessToken: string },
    }),
    defineOperation({
      ...common,
      callers: [...common.callers],
      id: 'get-installed-location',
      surface: 'runtime',
      method: 'GET',
      transaction: false,
      path: '/oauth/installedLocations',
      summary: 'List the organization’s locations, and in which the application is installed',
      permission: listInstalled,
      query: Type.Object({
        ...filters,
        skip: Type.Integer({ minimum: 0, maximum: 100_000, default: 0 }),
        limit: Type.Integer({ minimum: 1, maximum: 1000, default: 20 }),
      }),
      responses: {
        200: Type.Object({
          locations: Type.Array(LocationItem),
          count: Type.Integer(),
          installToFutureLocations: Type.Boolean(),
        }),
      },
      errors: ['invalid_request', 'tenant_mismatch', 'caller_not_allowed'],
      handler: async ({ db, caller, query }) => {
        const { items, total, future } = await listFor(db, caller, query, { limit: query.limit, offset: query.skip })
        return { locations: items, count: total, installToFutureLocations: future }
      },
    }),
    defineOperation({
      ...common,
      callers: [...common.callers],
      id: 'get-installed-locations-v3',
      surface: 'runtime-v3',
      method: 'GET',
      transaction: false,
      path: '/oauth/installed-locations',
      summary: 'List the organization’s locations, and in which the application is installed, in version 3',
      permission: listInstalled,
      query: Type.Object({
        ...filters,
        restrictToUserLocations: Flag,
        pageSize: Type.Integer({ minimum: 1, maximum: 100, default: 20 }),
        pageToken: Type.Optional(Type.String({ maxLength: 100 })),
      }),
      responses: {
        200: Type.Object({
          items: Type.Array(LocationItem),
          pagination: Type.Object({
            totalRecords: Type.Integer(),
            estimatedTotalRecords: Type.Integer(),
            hasNextPage: Type.Boolean(),
            hasPrevPage: Type.Boolean(),
            nextPageToken: Text,
            prevPageToken: Text,
            currentPageSize: Type.Integer(),
          }),
          metadata: Type.Object({ filterApplied: Type.Boolean(), sortApplied: Type.Boolean() }),
          installToFutureLocations: Type.Boolean(),
        }),
      },
      errors: ['invalid_request', 'tenant_mismatch', 'caller_not_allowed'],
      handler: async ({ db, caller, query }) => {
        const { pageSize: limit } = query
        const offset = readPageToken(query.pageToken)
        const { items, total, future } = await listFor(db, caller, query, { limit, offset })
        const hasNext = offset + items.length < total
        const hasPrev = offset > 0
        const filtered = Object.keys(filters).some((name) => !['companyId', 'appId'].includes(name) && name in query)
        return {
          items,
          pagination: {
            totalRecords: total,
            estimatedTotalRecords: total,
            hasNextPage: hasNext,
            hasPrevPage: hasPrev,
            ...(hasNext && { nextPageToken: pageTokenOf(offset + limit) }),
            ...(hasPrev && { prevPageToken: pageTokenOf(Math.max(0, offset - limit)) }),
            currentPageSize: items.length,
          },
          metadata: { filterApplied: filtered, sortApplied: false },
          installToFutureLocations: future,
        }
      },
    }),
  ]
}

async function listFor(
  db: Db,
  { organizationId, locationId, environment, application }: Caller,
  filter: Filters,
  page: { limit: number; offset: number },
): Promise<{ items: Static<typeof LocationItem>[]; total: number; future: boolean }> {
  if (locationId !== null || !application) throw ofLocation()
  const { applicationId, installationId } = application
  if (filter.companyId !== organizationId || filter.appId !== applicationId) throw new StoaError('tenant_mismatch')
  const installation = await findInstallationById(db, installationId)
  const future = installation?.fanOut?.future ?? false
  const { isInstalled, query, locationId: only, versionId, planId, onTrial } = filter
  const at = { applicationId, organizationId, environment }
  const isNarrowed = planId !== undefined || onTrial === true
  const among = isNarrowed ? installationsOnPlan(db, at, { planId, onTrial }) : undefined
  const version = versionId === undefined ? undefined : numberIn(applicationId, versionId)
  const wanted = { isInstalled, query, locationId: only, version, among }
  const { items, total } = await listInstalledLocations(db, { ...at, ...wanted, ...page })
  const shown = items.map(({ id, name, address, isInstalled, version, installedTime }) => ({
    _id: id,
    name,
    address: address ?? '',
    isInstalled,
    ...(version !== null && { versionId: versionIdOf(applicationId, version) }),
    ...(installedTime !== null && { installedAt: installedTime }),
  }))
  return { items: shown, total, future }
}

/** The number in a version id; one that no version has for the id of something else. */
function numberIn(applicationId: string, versionId: string): number {
  const [, id, number] = /^(.*)\.(\d{1,9})$/.exec(versionId) ?? []
  return id === applicationId ? Number(number) : -1
}

function ofLocation(): StoaError {
  return new StoaError('caller_not_allowed', {
    message: 'Token’s user type mismatch: this takes the token of an organization, not of a location.',
  })
}
