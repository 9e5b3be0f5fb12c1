import {
  defineOperation,
  pagedReply,
  PageQuery,
  permission,
  reply,
  roles,
  type Caller,
  type Operation,
} from '../http/index.ts'
import { Id, Nullable, OneOf, Strict, StoaError, Time, Type } from '../kernel/index.ts'
import {
  addMember,
  changeLocation,
  changeMemberRole,
  changeOrganization,
  changePassword,
  createLocation,
  createOrganization,
  locationOf,
  removeMember,
  signIn,
  signOut,
  type AccountsContext,
} from './accounts.ts'
import { findOrganization, findUser, listLocations, listMembers, listOrganizationsOf } from './store.ts'

const managers = ['owner', 'admin', 'operator'] as const

const readOrganization = permission('organizations:show', 'see the organization’s name and e-mail address', {
  roles: [...roles],
  applications: true,
})
const changeOrganizations = permission('organizations:update', 'change the organization', {
  roles: [...managers],
  risk: 'medium',
})
const createOrganizations = permission('organizations:create', 'create organizations', { roles: [...roles] })
const readAccount = permission('account:show', 'see who is signed in', { roles: [...roles] })
const readLocations = permission('locations:show', 'see the organization’s locations', {
  roles: [...roles],
  applications: true,
  aliases: ['locations.readonly'],
})
const manageLocations = permission('locations:manage', 'create and change locations', {
  roles: [...managers],
  risk: 'medium',
})
const readMembers = permission('members:index', 'see who belongs to the organization', { roles: [...roles] })
const manageMembers = permission('members:manage', 'add and remove people and change their roles', {
  roles: [...managers],
  risk: 'high',
})

const User = Type.Object({ id: Id(), email: Type.String(), name: Type.String() })
const Member = Type.Object({ id: Id(), email: Type.String(), name: Type.String(), role: OneOf(roles) })
const Organization = Type.Object({
  id: Id(),
  name: Type.String(),
  email: Nullable(Type.String()),
  createdTime: Time(),
  updatedTime: Time(),
})
const Location = Type.Object({
  id: Id(),
  organizationId: Id(),
  name: Type.String(),
  address: Nullable(Type.String()),
  createdTime: Time(),
  updatedTime: Time(),
})
const Name = Type.String({ minLength: 1, maxLength: 200, pattern: '\\S' })
const Email = Type.String({ format: 'email', maxLength: 254 })
const Password = Type.String({ minLength: 10, maxLength: 200 })
const OrganizationBody = { name: Name, email: Type.Optional(Nullable(Email)) }
const LocationBody = { name: Name, address: Type.Optional(Nullable(Type.String({ maxLength: 500 }))) }
const byId = Type.Object({ id: Id() })
const page = Type.Object(PageQuery)
const surface = 'platform'
const tag = 'Accounts'

/**
 * Not served beside the embedder's own sign-in: who the people are and where they belong is theirs to say then. Signing in to
 * an account of the host's own stays possible, for its operators.
 */
const ofOwnAccounts = new Set(['createOrganization', 'addMember', 'updateMember', 'removeMember'])

export function accountsOperations(ctx: AccountsContext): Operation[] {
  return allOperations(ctx).filter(({ id }) => ctx.identity === null || !ofOwnAccounts.has(id))
}

/** Whether the caller is an application that was installed in one location, not in the organization. */
const isInOneLocation = (caller: Caller) => caller.kind === 'application' && caller.locationId !== null

function allOperations(ctx: AccountsContext): Operation[] {
  return [
    defineOperation({
      id: 'signIn',
      method: 'POST',
      path: '/sessions',
      surface,
      tag,
      summary: 'Sign in with e-mail and password',
      description: 'Answers a session token for `Authorization: Bearer`. Attempts for one e-mail address are limited.',
      permission: null,
      body: Strict({ email: Type.String({ maxLength: 254 }), password: Type.String({ maxLength: 200 }) }),
      responses: { 201: Type.Object({ token: Type.String(), expiresTime: Time(), user: User }) },
      errors: ['invalid_credentials', 'rate_limited'],
      // A password takes a while to check, and SQLite has one connection.
      transaction: false,
      handler: ({ body, db, ip }) => signIn(ctx, db, body, ip),
    }),
    defineOperation({
      id: 'signOut',
      method: 'DELETE',
      path: '/sessions/current',
      surface,
      tag,
      summary: 'Sign out',
      permission: readAccount,
      callers: ['user'],
      responses: { 204: null },
      handler: async ({ caller, db }) => {
        await signOut(ctx, db, caller.credentialId)
        return undefined
      },
    }),
    defineOperation({
      id: 'changePassword',
      method: 'PUT',
      path: '/users/me/password',
      surface,
      tag,
      summary: 'Change one’s password',
      description: 'Ends every session of the account, this one too.',
      permission: readAccount,
      callers: ['user'],
      body: Strict({ currentPassword: Type.String({ maxLength: 200 }), newPassword: Password }),
      responses: { 204: null },
      errors: ['invalid_credentials', 'rate_limited'],
      transaction: false,
      handler: async ({ caller, body }) => {
        await changePassword(ctx, caller.userId!, body)
        return undefined
      },
    }),
    defineOperation({
      id: 'getMe',
      method: 'GET',
      path: '/users/me',
      surface,
      tag,
      summary: 'See who is signed in, and where they belong',
      permission: readAccount,
      responses: {
        200: Type.Object({
          user: Nullable(User),
          organizationId: Nullable(Id('Null for somebody who belongs nowhere yet.')),
          permissions: Type.Array(Type.String()),
        }),
      },
      handler: async ({ caller, db }) => ({
        user: caller.userId === null ? null : await findUser(db, caller.userId),
        organizationId: caller.organizationId || null,
        permissions: [...caller.permissions].sort(),
      }),
    }),
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
        return reply(201, location, { Location: `${ctx.config.baseUrl}/locations/${location.id}` })
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
    defineOperation({
      id: 'listMembers',
      method: 'GET',
      path: '/members',
      scope: 'organization',
      surface,
      tag,
      summary: 'List the people of the organization',
      permission: readMembers,
      query: page,
      responses: { 200: Type.Array(Member) },
      handler: async ({ caller, db, query }) => pagedReply(await listMembers(db, caller.organizationId, query), query),
    }),
    defineOperation({
      id: 'addMember',
      method: 'POST',
      path: '/members',
      scope: 'organization',
      surface,
      tag,
      summary: 'Add a person to the organization',
      description: 'Creates the account when the e-mail address is new. Operators may give it its first password.',
      permission: manageMembers,
      // Not for keys: whoever can add people could become whatever the key is not.
      callers: ['user'],
      body: Strict({ email: Email, name: Name, role: OneOf(roles), password: Type.Optional(Password) }),
      responses: { 201: Member },
      errors: ['email_taken', 'rights_exceeded'],
      transaction: false,
      handler: ({ caller, body }) => addMember(ctx, caller, body),
    }),
    defineOperation({
      id: 'updateMember',
      method: 'PATCH',
      path: '/members/:id',
      scope: 'organization',
      surface,
      tag,
      summary: 'Change a person’s role',
      permission: manageMembers,
      // Not for keys: whoever can add people could become whatever the key is not.
      callers: ['user'],
      params: byId,
      body: Strict({ role: OneOf(roles) }),
      responses: { 204: null },
      errors: ['rights_exceeded', 'last_owner'],
      handler: async ({ params, caller, db, body }) => {
        await changeMemberRole(ctx, db, caller, params.id, body.role)
        return undefined
      },
    }),
    defineOperation({
      id: 'removeMember',
      method: 'DELETE',
      path: '/members/:id',
      scope: 'organization',
      surface,
      tag,
      summary: 'Remove a person from the organization',
      permission: manageMembers,
      // Not for keys: whoever can add people could become whatever the key is not.
      callers: ['user'],
      params: byId,
      responses: { 204: null },
      errors: ['rights_exceeded', 'last_owner'],
      handler: async ({ params, caller, db }) => {
        await removeMember(ctx, db, caller, params.id)
        return undefined
      },
    }),
  ]
}
