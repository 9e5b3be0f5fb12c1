import {
  createLocation,
  createOrganization,
  createUser,
  deleteMembership,
  findUserByEmail,
  listMemberships,
  saveMembership,
  setPassword,
  type Location,
  type Membership,
  type NewLocation,
  type NewOrganization,
  type NewUser,
  type Organization,
  type User,
} from './accounts/index.ts'
import { saveApiKey, type AccessContext, type ApiKey, type NewApiKey } from './access/index.ts'
import { inTransaction } from './database/index.ts'
import type { Authenticate, Caller, CredentialRequest, Permission } from './http/index.ts'
import { nowIso } from './kernel/index.ts'

/** What an embedder's own code may do without a credential: it is the authority. Everything else goes through the API. */
export interface Services {
  createUser(user: NewUser): Promise<User>
  findUserByEmail(email: string): Promise<User | null>
  /** Ends every session of the account. */
  setPassword(userId: string, password: string): Promise<void>
  /** Creates an organization with its first owner. Give `id` when it exists on your side. */
  createOrganization(ownerId: string, organization: NewOrganization): Promise<Organization>
  createLocation(organizationId: string, location: NewLocation): Promise<Location>
  /** Adds the membership or changes its role. */
  saveMembership(membership: Membership): Promise<void>
  /** Takes a person out of an organization; the keys they made there can do nothing any more. */
  removeMembership(membership: { organizationId: string; userId: string }): Promise<void>
  listMemberships(userId: string): Promise<Membership[]>
  /** The secret is in this answer and nowhere else. Throws `unknown_permission`. */
  createApiKey(key: NewApiKey & { organizationId: string; createdBy: string }): Promise<{ key: ApiKey; secret: string }>
  /**
   * Who a request to one of your own routes is from, when it carries a credential of this host: an application's token, an API
   * key, a session. `url` is the address as the client sees it, for DPoP. Throws a StoaError with status 401.
   */
  authenticate(request: { headers: CredentialRequest['headers']; method: string; url: string }): Promise<Caller>
  /** The permission catalogue. */
  permissions(): Permission[]
}

export function createServices(ctx: AccessContext, authenticate: Authenticate): Services {
  const { db, clock } = ctx
  return {
    createUser: (user) => createUser(ctx, db, user),
    findUserByEmail: async (email) => {
      const user = await findUserByEmail(db, email)
      return user && { id: user.id, email: user.email, name: user.name }
    },
    setPassword: (userId, password) => setPassword(ctx, userId, password),
    createOrganization: (ownerId, organization) =>
      inTransaction(db, (trx) => createOrganization(ctx, trx, ownerId, organization)),
    createLocation: (organizationId, location) =>
      inTransaction(db, (trx) => createLocation(ctx, trx, organizationId, location)),
    async saveMembership(membership) {
      await saveMembership(db, membership, nowIso(clock))
      ctx.signals.emit('credentials-changed')
    },
    async removeMembership({ organizationId, userId }) {
      await deleteMembership(db, organizationId, userId)
      ctx.signals.emit('credentials-changed')
    },
    listMemberships: (userId) => listMemberships(db, userId),
    createApiKey: (key) => saveApiKey(ctx, db, key),
    authenticate: (request) => authenticate({ ...request, ip: '', scope: { organizationId: null, locationId: null } }),
    permissions: () => ctx.catalogue.all(),
  }
}
