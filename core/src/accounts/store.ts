import { iso, maybeText, text, type Db, type Dialect, type Row, whereContains } from '../database/index.ts'
import type { Paged, Page, Role } from '../http/index.ts'

export interface User {
  id: string
  email: string
  name: string
}

export interface Organization {
  id: string
  name: string
  email: string | null
  createdTime: string
  updatedTime: string
}

export interface Location {
  id: string
  organizationId: string
  name: string
  address: string | null
  createdTime: string
  updatedTime: string
}

export interface Membership {
  organizationId: string
  userId: string
  role: Role
}

export async function findUser(db: Db, id: string): Promise<User | null> {
  return mapUser(await db('stoa_users').where({ id }).first<Row | undefined>())
}

export async function findUserByEmail(db: Db, email: string): Promise<(User & { passwordHash: string | null }) | null> {
  const row = await db('stoa_users')
    .where({ email: normaliseEmail(email) })
    .first<Row | undefined>()
  const user = mapUser(row)
  return user && { ...user, passwordHash: maybeText(row!.password_hash) }
}

export async function insertUser(
  db: Db,
  user: User & { passwordHash: string | null; createdTime: string },
): Promise<void> {
  await db('stoa_users').insert({
    id: user.id,
    email: normaliseEmail(user.email),
    name: user.name,
    password_hash: user.passwordHash,
    created_time: user.createdTime,
  })
}

/** Inserts the user or brings e-mail address and name up to date. */
export async function saveUser(db: Db, user: User, now: string): Promise<void> {
  await db('stoa_users')
    .insert({ id: user.id, email: normaliseEmail(user.email), name: user.name, password_hash: null, created_time: now })
    .onConflict('id')
    .merge(['email', 'name'])
}

/** Ends every session of a user. */
export async function revokeSessionsOf(db: Db, userId: string, now: string): Promise<void> {
  await db('stoa_sessions').where({ user_id: userId, revoked_time: null }).update({ revoked_time: now })
}

/** Sessions that ended some time ago say nothing any more. */
export async function deleteEndedSessions(db: Db, before: string): Promise<void> {
  await db('stoa_sessions').where('expires_time', '<', before).delete()
}

export async function updateUserPassword(db: Db, id: string, passwordHash: string): Promise<void> {
  await db('stoa_users').where({ id }).update({ password_hash: passwordHash })
}

export async function findOrganization(db: Db, id: string): Promise<Organization | null> {
  const row = await db('stoa_organizations').where({ id }).first<Row | undefined>()
  return row ? mapOrganization(row) : null
}

export async function insertOrganization(db: Db, organization: Organization): Promise<void> {
  await db('stoa_organizations').insert({
    id: organization.id,
    name: organization.name,
    email: organization.email,
    created_time: organization.createdTime,
    updated_time: organization.updatedTime,
  })
}

export async function updateOrganization(
  db: Db,
  id: string,
  change: { name?: string; email?: string | null },
  now: string,
) {
  await db('stoa_organizations')
    .where({ id })
    .update({ ...change, updated_time: now })
}

export async function listOrganizationsOf(db: Db, userId: string): Promise<(Organization & { role: Role })[]> {
  const rows = (await db('stoa_organizations')
    .join('stoa_memberships', 'stoa_memberships.organization_id', 'stoa_organizations.id')
    .where('stoa_memberships.user_id', userId)
    .orderBy([{ column: 'stoa_memberships.created_time' }, { column: 'stoa_organizations.id' }])
    .select('stoa_organizations.*', 'stoa_memberships.role')) as Row[]
  return rows.map((row) => ({ ...mapOrganization(row), role: row.role as Role }))
}

/** Which of these exist; of the locations also whose they are. */
export async function findTenants(
  db: Db,
  { organizationIds, locationIds }: { organizationIds: string[]; locationIds: string[] },
): Promise<{ organizations: Set<string>; locations: Map<string, string> }> {
  const found = (await db('stoa_organizations').select('id').whereIn('id', organizationIds)) as Row[]
  const at =
    locationIds.length === 0
      ? []
      : ((await db('stoa_locations').select('id', 'organization_id').whereIn('id', locationIds)) as Row[])
  return {
    organizations: new Set(found.map((row) => text(row.id))),
    locations: new Map(at.map((row) => [text(row.id), text(row.organization_id)])),
  }
}

export async function findLocation(db: Db, id: string): Promise<Location | null> {
  const row = await db('stoa_locations').where({ id }).first<Row | undefined>()
  return row ? mapLocation(row) : null
}

/** The organization's locations, or of them only the one with this id. */
export async function listLocations(
  db: Db,
  organizationId: string,
  only: string | null,
  page: Page,
): Promise<Paged<Location>> {
  const all = () => db('stoa_locations').where({ organization_id: organizationId, ...(only !== null && { id: only }) })
  const [{ count } = { count: 0 }] = (await all().count({ count: '*' })) as Row[]
  const rows = (await all().orderBy('id').limit(page.limit).offset(page.offset)) as Row[]
  return { items: rows.map(mapLocation), total: Number(count) }
}

/** Locations of an organization whose name holds the text, by name: at most `limit` of them, and how many there are. */
export async function searchLocations(
  db: Db,
  organizationId: string,
  search: string,
  limit: number,
): Promise<Paged<Location>> {
  const query = db('stoa_locations').where({ organization_id: organizationId })
  if (search !== '') whereContains(query, 'name', search)
  const [{ count } = { count: 0 }] = (await query.clone().count({ count: '*' })) as Row[]
  const rows = (await query.orderBy(['name', 'id']).limit(limit)) as Row[]
  return { items: rows.map(mapLocation), total: Number(count) }
}

export async function insertLocation(db: Db, location: Location): Promise<void> {
  await db('stoa_locations').insert({
    id: location.id,
    organization_id: location.organizationId,
    name: location.name,
    address: location.address,
    created_time: location.createdTime,
    updated_time: location.updatedTime,
  })
}

export async function updateLocation(
  db: Db,
  id: string,
  change: { name?: string; address?: string | null },
  now: string,
) {
  await db('stoa_locations')
    .where({ id })
    .update({ ...change, updated_time: now })
}

/** A user's memberships, the oldest first: that one is the default organization. */
export async function listMemberships(db: Db, userId: string): Promise<Membership[]> {
  const rows = (await db('stoa_memberships')
    .where({ user_id: userId })
    .orderBy(['created_time', 'organization_id'])) as Row[]
  return rows.map(mapMembership)
}

export async function findMembership(db: Db, organizationId: string, userId: string): Promise<Membership | null> {
  const row = await db('stoa_memberships')
    .where({ organization_id: organizationId, user_id: userId })
    .first<Row | undefined>()
  return row ? mapMembership(row) : null
}

export async function listMembers(db: Db, organizationId: string, page: Page): Promise<Paged<User & { role: Role }>> {
  const [{ count } = { count: 0 }] = (await db('stoa_memberships')
    .where({ organization_id: organizationId })
    .count({ count: '*' })) as Row[]
  const rows = (await db('stoa_memberships')
    .join('stoa_users', 'stoa_users.id', 'stoa_memberships.user_id')
    .where('stoa_memberships.organization_id', organizationId)
    .orderBy('stoa_memberships.user_id')
    .limit(page.limit)
    .offset(page.offset)
    .select('stoa_users.id', 'stoa_users.email', 'stoa_users.name', 'stoa_memberships.role')) as Row[]
  return { items: rows.map((row) => ({ ...mapUser(row)!, role: row.role as Role })), total: Number(count) }
}

/** Adds the membership or changes its role. */
export async function saveMembership(db: Db, membership: Membership, now: string): Promise<void> {
  await db('stoa_memberships')
    .insert({
      organization_id: membership.organizationId,
      user_id: membership.userId,
      role: membership.role,
      created_time: now,
    })
    .onConflict(['organization_id', 'user_id'])
    .merge(['role'])
}

/** Makes these the user's memberships, and no others. */
export async function replaceMemberships(
  db: Db,
  userId: string,
  memberships: { organizationId: string; role: Role }[],
  now: string,
): Promise<void> {
  const kept = memberships.map(({ organizationId }) => organizationId)
  await db('stoa_memberships').where({ user_id: userId }).whereNotIn('organization_id', kept).delete()
  for (const membership of memberships) await saveMembership(db, { ...membership, userId }, now)
}

export async function deleteMembership(db: Db, organizationId: string, userId: string): Promise<void> {
  await db('stoa_memberships').where({ organization_id: organizationId, user_id: userId }).delete()
}

/** Changes of who belongs to an organization wait for each other, so that two owners cannot both leave it at once. */
export async function lockOrganization(db: Db, dialect: Dialect, id: string): Promise<void> {
  if (dialect.rowLocks) await db('stoa_organizations').where({ id }).forUpdate().select('id')
}

export async function countOwners(db: Db, organizationId: string): Promise<number> {
  const rows = await db('stoa_memberships').where({ organization_id: organizationId, role: 'owner' }).select('user_id')
  return rows.length
}

/** The first owner, who stands for the organization where one person is asked for. */
export async function ownerOf(db: Db, organizationId: string): Promise<User | null> {
  const row = await db('stoa_memberships')
    .join('stoa_users', 'stoa_users.id', 'stoa_memberships.user_id')
    .where({ 'stoa_memberships.organization_id': organizationId, 'stoa_memberships.role': 'owner' })
    .orderBy(['stoa_memberships.created_time', 'stoa_users.id'])
    .first<Row | undefined>('stoa_users.*')
  return mapUser(row)
}

export function normaliseEmail(email: string): string {
  return email.trim().toLowerCase()
}

function mapUser(row: Row | undefined): User | null {
  return row ? { id: text(row.id), email: text(row.email), name: text(row.name) } : null
}

function mapOrganization(row: Row): Organization {
  return {
    id: text(row.id),
    name: text(row.name),
    email: maybeText(row.email),
    createdTime: iso(row.created_time),
    updatedTime: iso(row.updated_time),
  }
}

function mapLocation(row: Row): Location {
  return {
    id: text(row.id),
    organizationId: text(row.organization_id),
    name: text(row.name),
    address: maybeText(row.address),
    createdTime: iso(row.created_time),
    updatedTime: iso(row.updated_time),
  }
}

function mapMembership(row: Row): Membership {
  return { organizationId: text(row.organization_id), userId: text(row.user_id), role: row.role as Role }
}
