import type { Context } from '../context.ts'
import { afterCommit, inTransaction, isUniqueViolation, type Db } from '../database/index.ts'
import type { Caller, RateLimit, Role } from '../http/index.ts'
import { idMaxLength, idPattern, invalidField, newId, nowIso, StoaError, type IdentityPort } from '../kernel/index.ts'
import { hashPassword, verifyPassword } from './passwords.ts'
import type { Sessions } from './sessions.ts'
import {
  countOwners,
  deleteMembership,
  findLocation,
  findMembership,
  findOrganization,
  findUser,
  findUserByEmail,
  insertLocation,
  insertOrganization,
  insertUser,
  lockOrganization,
  normaliseEmail,
  revokeSessionsOf,
  saveMembership,
  updateLocation,
  updateOrganization,
  updateUserPassword,
  type Location,
  type Organization,
  type User,
} from './store.ts'

export interface AccountsContext extends Context {
  sessions: Sessions
  signIns: RateLimit
  /** The embedder's sign-in, when they filled that port. */
  identity: IdentityPort | null
  /** Port, filled by installations: a location was added, in the transaction that adds it. */
  onLocationCreated(db: Db, location: Location): Promise<void>
}

/**
 * Opens a session for an e-mail address and password. The same refusal for a wrong password and an unknown address.
 * Attempts are counted for the address from one place, for the address from everywhere, and for the place: so that neither
 * one account nor many can be tried through, and nobody is locked out by a single stranger.
 */
export async function signIn(
  ctx: AccountsContext,
  db: Db,
  credentials: { email: string; password: string },
  ip: string,
) {
  const email = normaliseEmail(credentials.email)
  const attempts = ctx.config.rateLimit.signInsPerMinute
  ctx.signIns.take(`${email} from ${ip}`, attempts, 60)
  ctx.signIns.take(email, 5 * attempts, 60)
  ctx.signIns.take(`from ${ip}`, 30 * attempts, 60)
  const user = await findUserByEmail(db, email)
  const fits = await verifyPassword(credentials.password, user?.passwordHash ?? null)
  if (!user || !fits) throw new StoaError('invalid_credentials')
  const { token, session } = await ctx.sessions.open(db, user.id)
  return { token, expiresTime: session.expiresTime, user: { id: user.id, email: user.email, name: user.name } }
}

/** Changes one's own password. Opens its own transaction, because hashing takes a while and SQLite has one writer. */
export async function changePassword(
  ctx: AccountsContext,
  userId: string,
  { currentPassword, newPassword }: { currentPassword: string; newPassword: string },
): Promise<void> {
  ctx.signIns.take(`password of ${userId}`, ctx.config.rateLimit.signInsPerMinute, 60)
  const user = await findUser(ctx.db, userId)
  const known = user && (await findUserByEmail(ctx.db, user.email))
  if (!(await verifyPassword(currentPassword, known?.passwordHash ?? null))) throw new StoaError('invalid_credentials')
  await setPassword(ctx, userId, newPassword)
}

/** Sets a password and ends every session that the old one opened. */
export async function setPassword(ctx: Context, userId: string, password: string): Promise<void> {
  const passwordHash = await hashPassword(password)
  await inTransaction(ctx.db, async (trx) => {
    await updateUserPassword(trx, userId, passwordHash)
    await revokeSessionsOf(trx, userId, nowIso(ctx.clock))
    afterCommit(trx, () => ctx.signals.emit('credentials-changed'))
  })
}

/** Ends a session; its token is refused from now on. */
export async function signOut(ctx: AccountsContext, db: Db, sessionId: string): Promise<void> {
  await ctx.sessions.close(db, sessionId)
  afterCommit(db, () => ctx.signals.emit('credentials-changed'))
}

export interface NewUser {
  /** An embedder's own id, when the person exists on their side: the `userId` that their identity port will name. */
  id?: string
  email: string
  name: string
  password?: string
}

export async function createUser(ctx: Context, db: Db, input: NewUser): Promise<User> {
  return saveNewUser(ctx, db, input, input.password === undefined ? null : await hashPassword(input.password))
}

async function saveNewUser(ctx: Context, db: Db, input: NewUser, passwordHash: string | null): Promise<User> {
  const user = { id: ownId(input.id) ?? newId('usr'), email: normaliseEmail(input.email), name: input.name }
  try {
    await insertUser(db, { ...user, passwordHash, createdTime: nowIso(ctx.clock) })
  } catch (error) {
    if (isUniqueViolation(error)) throw new StoaError('email_taken', { cause: error })
    throw error
  }
  return user
}

const idShape = new RegExp(idPattern)

function ownId(id: string | undefined): string | undefined {
  if (id !== undefined && (id.length > idMaxLength || !idShape.test(id))) {
    throw invalidField('id', `must match ${idPattern} and have at most ${idMaxLength} characters`)
  }
  return id
}

// Organizations and locations share one space of ids, because a path may name either.
async function assertFreeId(db: Db, id: string): Promise<void> {
  if ((await findOrganization(db, id)) || (await findLocation(db, id))) {
    throw new StoaError('in_use', { message: `The id ${id} belongs to an organization or a location already.` })
  }
}

export interface NewOrganization {
  /** An embedder's own id, when the organization exists on their side. */
  id?: string
  name: string
  email?: string | null
}

/** Creates an organization with its first owner. */
export async function createOrganization(
  ctx: Context,
  db: Db,
  ownerId: string,
  input: NewOrganization,
): Promise<Organization> {
  const now = nowIso(ctx.clock)
  const organization = {
    id: ownId(input.id) ?? newId('org'),
    name: input.name,
    email: input.email ?? null,
    createdTime: now,
    updatedTime: now,
  }
  await assertFreeId(db, organization.id)
  await insertOrganization(db, organization)
  await saveMembership(db, { organizationId: organization.id, userId: ownerId, role: 'owner' }, now)
  afterCommit(db, () => ctx.signals.emit('credentials-changed'))
  return organization
}

export async function changeOrganization(
  ctx: Context,
  db: Db,
  id: string,
  change: { name?: string; email?: string | null },
) {
  await updateOrganization(db, id, change, nowIso(ctx.clock))
  return (await findOrganization(db, id))!
}

export interface NewLocation {
  id?: string
  name: string
  address?: string | null
}

export async function createLocation(
  ctx: AccountsContext,
  db: Db,
  organizationId: string,
  input: NewLocation,
): Promise<Location> {
  const now = nowIso(ctx.clock)
  const location = {
    id: ownId(input.id) ?? newId('loc'),
    organizationId,
    name: input.name,
    address: input.address ?? null,
    createdTime: now,
    updatedTime: now,
  }
  await assertFreeId(db, location.id)
  if (!(await findOrganization(db, organizationId))) throw new StoaError('not_found')
  await insertLocation(db, location)
  await ctx.onLocationCreated(db, location)
  return location
}

/** A location of this organization; another organization's is answered like one that does not exist. */
export async function locationOf(db: Db, organizationId: string, id: string): Promise<Location> {
  const location = await findLocation(db, id)
  if (location?.organizationId !== organizationId) throw new StoaError('not_found')
  return location
}

export async function changeLocation(
  ctx: Context,
  db: Db,
  caller: Caller,
  id: string,
  change: { name?: string; address?: string | null },
): Promise<Location> {
  await locationOf(db, caller.organizationId, id)
  await updateLocation(db, id, change, nowIso(ctx.clock))
  return locationOf(db, caller.organizationId, id)
}

export interface NewMember extends NewUser {
  role: Role
}

/**
 * Adds a person to the caller's organization; creates the account when the e-mail address is new. Only operators give it a
 * first password: anybody else could make themselves an account under somebody's address and wait for others to trust it.
 * Opens its own transaction, because a password takes a while to hash and SQLite has one writer.
 */
export async function addMember(ctx: Context, caller: Caller, input: NewMember): Promise<User & { role: Role }> {
  if (input.password !== undefined && (await roleOf(ctx.db, caller)) !== 'operator') {
    throw new StoaError('rights_exceeded', {
      message: 'Only an operator of the platform gives an account its first password; leave password out.',
    })
  }
  const passwordHash = input.password === undefined ? null : await hashPassword(input.password)
  return inTransaction(ctx.db, async (trx) => {
    await assertMayGrant(trx, caller, input.role)
    const known = await findUserByEmail(trx, input.email)
    if (known && (await findMembership(trx, caller.organizationId, known.id))) {
      throw new StoaError('email_taken', { message: 'This person is a member already; change the role instead.' })
    }
    const user = known ?? (await saveNewUser(ctx, trx, input, passwordHash))
    const membership = { organizationId: caller.organizationId, userId: user.id, role: input.role }
    await saveMembership(trx, membership, nowIso(ctx.clock))
    afterCommit(trx, () => ctx.signals.emit('credentials-changed'))
    return { id: user.id, email: user.email, name: user.name, role: input.role }
  })
}

export async function changeMemberRole(
  ctx: Context,
  db: Db,
  caller: Caller,
  userId: string,
  role: Role,
): Promise<void> {
  await lockOrganization(db, ctx.dialect, caller.organizationId)
  const membership = await findMembership(db, caller.organizationId, userId)
  if (!membership) throw new StoaError('not_found')
  await assertMayGrant(db, caller, role)
  await assertMayGrant(db, caller, membership.role)
  if (membership.role === 'owner' && role !== 'owner') await assertAnotherOwner(db, caller.organizationId)
  await saveMembership(db, { ...membership, role }, nowIso(ctx.clock))
  afterCommit(db, () => ctx.signals.emit('credentials-changed'))
}

export async function removeMember(ctx: Context, db: Db, caller: Caller, userId: string): Promise<void> {
  await lockOrganization(db, ctx.dialect, caller.organizationId)
  const membership = await findMembership(db, caller.organizationId, userId)
  if (!membership) throw new StoaError('not_found')
  await assertMayGrant(db, caller, membership.role)
  if (membership.role === 'owner') await assertAnotherOwner(db, caller.organizationId)
  await deleteMembership(db, caller.organizationId, userId)
  afterCommit(db, () => ctx.signals.emit('credentials-changed'))
}

// Nobody hands out, or takes away, more than they are: an admin does not make or unmake owners, and only operators make operators.
async function assertMayGrant(db: Db, caller: Caller, role: Role): Promise<void> {
  if (role !== 'owner' && role !== 'operator') return
  const own = await roleOf(db, caller)
  const allowed = role === 'operator' ? own === 'operator' : own === 'owner' || own === 'operator'
  if (!allowed)
    throw new StoaError('rights_exceeded', { message: `Only an ${role} may give or take the role ${role}.` })
}

async function roleOf(db: Db, caller: Caller): Promise<Role | null> {
  if (caller.userId === null) return null
  return (await findMembership(db, caller.organizationId, caller.userId))?.role ?? null
}

async function assertAnotherOwner(db: Db, organizationId: string): Promise<void> {
  if ((await countOwners(db, organizationId)) < 2) throw new StoaError('last_owner')
}
