import { defineOperation, pagedReply, reply, roles, type Caller, type Operation, linkTo } from '../http/index.ts'
import { OneOf, Strict, StoaError, Type } from '../kernel/index.ts'
import {
  changeLocation,
  changeOrganization,
  createLocation,
  createOrganization,
  locationOf,
  type AccountsContext,
} from './accounts.ts'
import {
  readOrganization,
  changeOrganizations,
  createOrganizations,
  readAccount,
  readLocations,
  manageLocations,
} from './permissions.ts'
import { Organization, Location, Name, OrganizationBody, LocationBody, byId, page } from './schemas.ts'
import { findOrganization, listLocations, listOrganizationsOf } from './store.ts'

const surface = 'platform'
const tag = 'Accounts'

/** Whether the caller is an application that was installed in one location, not in the organization. */
const isInOneLocation = (caller: Caller) => caller.kind === 'application' && caller.locationId !== null

/** Organizations and their locations. */
export function tenantOperations(ctx: AccountsContext): Operation[] {
  return [
    defineOperation({
      id: 'listOrganizations',
      method: 'GET',
      path: '/organizations',
      surface,
      tag,
      summary: 'List the organizations of the signed-in person',
      permission: readAccount,
      callers: ['user'],
      responses: { 200: Type.Array(Type.Intersect([Organization, Type.Object({ role: OneOf(roles) })])) },
      handler: async ({ caller, db }) => {
        const items = caller.userId === null ? [] : await listOrganizationsOf(db, caller.userId)
        return pagedReply({ items, total: items.length }, { limit: Math.max(1, items.length), offset: 0 })
      },
    }),
    defineOperation({
      id: 'createOrganization',
      method: 'POST',
      path: '/organizations',
      surface,
      tag,
      summary: 'Create an organization and become its owner',
      permission: createOrganizations,
      callers: ['user'],
      body: Strict(OrganizationBody),
      responses: { 201: Organization },
      handler: async ({ caller, db, body }) => {
        const organization = await createOrganization(ctx, db, caller.userId!, body)
        return reply(201, organization, { Location: `${ctx.config.baseUrl}/organizations/${organization.id}` })
      },
    }),
    defineOperation({
      id: 'getOrganization',
      method: 'GET',
      path: '/organizations/:id',
      scopeParameter: 'id',
      surface,
      tag,
      summary: 'See the organization the credential acts in',
      permission: readOrganization,
      callers: ['user', 'api-key', 'application'],
      params: byId,
      responses: { 200: Organization },
      handler: async ({ params, caller, db }) => {
        if (params.id !== caller.organizationId) throw new StoaError('not_found')
        const organization = (await findOrganization(db, params.id))!
        // An application in one location does not learn whom to write to in the organization.
        return isInOneLocation(caller) ? { ...organization, email: null } : organization
      },
    }),
    defineOperation({
      id: 'updateOrganization',
      method: 'PATCH',
      path: '/organizations/:id',
      scopeParameter: 'id',
      surface,
      tag,
      summary: 'Change the organization’s name or e-mail address',
      permission: changeOrganizations,
      params: byId,
      body: Strict({ name: Type.Optional(Name), email: OrganizationBody.email }),
      responses: { 200: Organization },
      handler: async ({ params, caller, db, body }) => {
        if (params.id !== caller.organizationId) throw new StoaError('not_found')
        return changeOrganization(ctx, db, params.id, body)
      },
    }),
    defineOperation({
      id: 'listLocations',
      method: 'GET',
      path: '/locations',
      scope: 'organization',
      surface,
      tag,
      summary: 'List the organization’s locations',
      permission: readLocations,
      callers: ['user', 'api-key', 'application'],
      query: page,
      responses: { 200: Type.Array(Location) },
      handler: async ({ caller, db, query }) => {
        const only = isInOneLocation(caller) ? caller.locationId : null
        return pagedReply(await listLocations(db, caller.organizationId, only, query), query)
      },
    }),
    defineOperation({
      id: 'createLocation',
      method: 'POST',
      path: '/locations',
      scope: 'organization',
      surface,
      tag,
      summary: 'Create a location',
      permission: manageLocations,
      body: Strict(LocationBody),
      responses: { 201: Location },
      handler: async ({ caller, db, body }) => {
        const location = await createLocation(ctx, db, caller.organizationId, body)
        return reply(201, location, { Location: linkTo(ctx, caller, `/locations/${location.id}`) })
      },
    }),
    defineOperation({
      id: 'getLocation',
      method: 'GET',
      path: '/locations/:id',
      scope: 'organization',
      surface,
      tag,
      summary: 'See one location',
      permission: readLocations,
      callers: ['user', 'api-key', 'application'],
      params: byId,
      responses: { 200: Location },
      handler: ({ params, caller, db }) => {
        if (isInOneLocation(caller) && params.id !== caller.locationId) throw new StoaError('not_found')
        return locationOf(db, caller.organizationId, params.id)
      },
    }),
    defineOperation({
      id: 'updateLocation',
      method: 'PATCH',
      path: '/locations/:id',
      scope: 'organization',
      surface,
      tag,
      summary: 'Change a location',
      permission: manageLocations,
      params: byId,
      body: Strict({ name: Type.Optional(Name), address: LocationBody.address }),
      responses: { 200: Location },
      handler: ({ params, caller, db, body }) => changeLocation(ctx, db, caller, params.id, body),
    }),
  ]
}
