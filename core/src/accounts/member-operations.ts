import { defineOperation, pagedReply, roles, type Operation } from '../http/index.ts'
import { OneOf, Strict, Type } from '../kernel/index.ts'
import { addMember, changeMemberRole, removeMember, type AccountsContext } from './accounts.ts'
import { readMembers, manageMembers } from './permissions.ts'
import { Member, Name, Email, Password, byId, page } from './schemas.ts'
import { listMembers } from './store.ts'

const surface = 'platform'
const tag = 'Accounts'

/** The people of an organization. */
export function memberOperations(ctx: AccountsContext): Operation[] {
  return [
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
