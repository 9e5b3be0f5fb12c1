import { defineOperation, type Operation } from '../http/index.ts'
import { Id, Nullable, Strict, Time, Type } from '../kernel/index.ts'
import { changePassword, signIn, signOut, type AccountsContext } from './accounts.ts'
import { readAccount } from './permissions.ts'
import { User, Password } from './schemas.ts'
import { findUser } from './store.ts'

const surface = 'platform'
const tag = 'Accounts'

/** Signing in, and what somebody may know and change of themselves. */
export function accountOperations(ctx: AccountsContext): Operation[] {
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
  ]
}
