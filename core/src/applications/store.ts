import {
  boolean,
  fetchCollection,
  foldText,
  integer,
  iso,
  json,
  maybeIso,
  maybeJson,
  maybeText,
  text,
  toJson,
  type CollectionQuery,
  type CollectionSpec,
  type Db,
  type Row,
} from '../database/index.ts'
import type { Page, Paged } from '../http/index.ts'
import type {
  Application,
  ApplicationChanges,
  ApplicationStatus,
  ClientStatus,
  ClientType,
  InstallsOn,
} from './application.ts'

const table = 'stoa_applications'

export type NewApplicationRow = Omit<
  Application,
  'configuredBy' | 'revisionSubmittedTime' | 'statusReason' | 'updatedTime'
>

export async function insertApplication(db: Db, application: NewApplicationRow): Promise<void> {
  const { id, publisherId, createdBy, status, clientId, version, createdTime } = application
  await db(table).insert({
    id,
    publisher_id: publisherId,
    created_by: createdBy,
    status,
    client_id: clientId,
    version,
    search_text: searchText(application),
    created_time: createdTime,
    updated_time: createdTime,
    ...toColumns(application),
  })
}

/** Any application that was not deleted, whoever publishes it. */
export async function findApplication(db: Db, id: string): Promise<Application | null> {
  const row = (await db(table).where({ id }).whereNull('deleted_time').first()) as Row | undefined
  return row ? toApplication(row) : null
}

/** As findApplication, and nobody changes the row before the transaction ends; others may share it meanwhile. */
export async function shareApplication(db: Db, id: string, rowLocks: boolean): Promise<Application | null> {
  const query = db(table).where({ id }).whereNull('deleted_time')
  if (rowLocks) query.forShare()
  const row = (await query.first()) as Row | undefined
  return row ? toApplication(row) : null
}

/** Of those ids, the applications that exist, deleted ones too: what refers to them still wants their names. */
export async function findApplications(db: Db, ids: string[]): Promise<Map<string, Application>> {
  const rows = ids.length === 0 ? [] : ((await db(table).whereIn('id', ids)) as Row[])
  return new Map(rows.map((row) => [text(row['id']), toApplication(row)]))
}

/** The port of events: whether the organization publishes the application. */
export async function ownsApplication(db: Db, organizationId: string, applicationId: string): Promise<boolean> {
  const found: unknown = await db(table)
    .where({ id: applicationId, publisher_id: organizationId })
    .whereNull('deleted_time')
    .first('id')
  return found !== undefined
}

export async function isNameTaken(
  db: Db,
  publisherId: string,
  name: string,
  exceptId: string | null,
): Promise<boolean> {
  const query = db(table).where({ publisher_id: publisherId, name_folded: foldText(name) })
  if (exceptId !== null) query.whereNot({ id: exceptId })
  return (await query.first('id')) !== undefined
}

/**
 * Writes changes if the application is still in the state that was judged; false when somebody was faster.
 * `status` in `set` is a transition. That a version waits for review takes part in the comparison, because it decides what a
 * reviewer's word is about; so does the version in force, because it is what changes are told from.
 */
export async function updateApplication(
  db: Db,
  judged: Application,
  changes: ApplicationChanges,
  set: {
    updatedTime: string
    status?: ApplicationStatus
    statusReason?: string | null
    revisionSubmittedTime?: string | null
    version?: number
  },
): Promise<boolean> {
  const updated = await db(table)
    .where({
      id: judged.id,
      status: judged.status,
      revision_submitted_time: judged.revisionSubmittedTime,
      version: judged.version,
    })
    .whereNull('deleted_time')
    .update({
      ...toColumns(changes),
      ...(hasSearchedMember(changes) && { search_text: searchText({ ...judged, ...changes }) }),
      ...(set.status && { status: set.status }),
      ...(set.statusReason !== undefined && { status_reason: set.statusReason }),
      ...(set.revisionSubmittedTime !== undefined && { revision_submitted_time: set.revisionSubmittedTime }),
      ...(set.version !== undefined && { version: set.version }),
      updated_time: set.updatedTime,
    })
  return updated > 0
}

export async function findApplicationByClientId(db: Db, clientId: string): Promise<Application | null> {
  // It comes out of Basic credentials and JWTs too, which nothing has looked at; PostgreSQL would fail on it.
  if (clientId.includes('\0')) return null
  const row = (await db(table).where({ client_id: clientId }).whereNull('deleted_time').first()) as Row | undefined
  return row ? toApplication(row) : null
}

/** Locks the row against everybody who would change or share it, where rows can be locked. */
export async function lockApplication(db: Db, id: string, rowLocks: boolean): Promise<void> {
  const query = db(table).where({ id }).select('id')
  if (rowLocks) query.forUpdate()
  await query
}

/** Keeps the row, because history and charges refer to it, and frees its name. */
export async function markDeleted(db: Db, id: string, deletedTime: string): Promise<boolean> {
  const updated = await db(table)
    .where({ id })
    .whereNull('deleted_time')
    .update({ deleted_time: deletedTime, name_folded: id, updated_time: deletedTime })
  return updated > 0
}

/** A page of the store: what is available, the viewer's own in any state, and for reviewers everything. */
export async function listApplications(
  db: Db,
  viewer: { organizationId: string; onlyApplicationId: string | null; reviews: boolean },
  spec: CollectionSpec,
  wanted: CollectionQuery,
  page: Page,
): Promise<Paged<Application>> {
  const query = db(table).whereNull('deleted_time')
  if (!viewer.reviews) {
    const own = {
      publisher_id: viewer.organizationId,
      ...(viewer.onlyApplicationId && { id: viewer.onlyApplicationId }),
    }
    query.where((visible) => {
      visible.where({ status: 'available' }).orWhere(own)
    })
  }
  const { rows, total } = await fetchCollection(query, spec, wanted, page)
  return { items: rows.map(toApplication), total }
}

export async function listOwnApplications(
  db: Db,
  owner: { publisherId: string; onlyApplicationId: string | null },
  page: Page,
): Promise<Paged<Application>> {
  const query = db(table).where({ publisher_id: owner.publisherId }).whereNull('deleted_time')
  if (owner.onlyApplicationId !== null) query.where({ id: owner.onlyApplicationId })
  const counted = (await query.clone().count({ total: '*' }).first()) as Row
  const rows = (await query.orderBy('id').limit(page.limit).offset(page.offset)) as Row[]
  return { items: rows.map(toApplication), total: integer(counted['total']) }
}

type Named = Pick<Application, 'name' | 'authorName' | 'tagline' | 'description'>

function hasSearchedMember(changes: ApplicationChanges): boolean {
  return ['name', 'authorName', 'tagline', 'description'].some((member) => Object.hasOwn(changes, member))
}

function searchText({ name, authorName, tagline, description }: Named): string {
  return foldText([name, authorName, tagline, description].filter(Boolean).join('\n'))
}

const plainColumns: [keyof ApplicationChanges, string][] = [
  ['name', 'name'],
  ['authorName', 'author_name'],
  ['tagline', 'tagline'],
  ['description', 'description'],
  ['logoId', 'logo_id'],
  ['authorLogoId', 'author_logo_id'],
  ['website', 'website'],
  ['configurationUrl', 'configuration_url'],
  ['installsOn', 'installs_on'],
  ['clientType', 'client_type'],
  ['requiresPkce', 'requires_pkce'],
  ['requiresDpop', 'requires_dpop'],
  ['acknowledges', 'acknowledges'],
  ['rateLimit', 'rate_limit'],
  ['clientStatus', 'client_status'],
]

const jsonColumns = [
  ['permissions', 'permissions'],
  ['optionalPermissions', 'optional_permissions'],
  ['redirectUris', 'redirect_uris'],
  ['properties', 'properties'],
  ['jwks', 'jwks'],
] as const satisfies [keyof ApplicationChanges, string][]

function toColumns(changes: ApplicationChanges): Row {
  const row: Row = {}
  for (const [member, column] of plainColumns) if (changes[member] !== undefined) row[column] = changes[member]
  if (changes.name !== undefined) row['name_folded'] = foldText(changes.name)
  if (changes.authorName !== undefined) row['author_name_folded'] = changes.authorName && foldText(changes.authorName)
  for (const [member, column] of jsonColumns) {
    const value = changes[member]
    if (value !== undefined) row[column] = value && toJson(value)
  }
  return row
}

function toApplication(row: Row): Application {
  const configurationUrl = maybeText(row['configuration_url'])
  return {
    id: text(row['id']),
    publisherId: text(row['publisher_id']),
    createdBy: maybeText(row['created_by']),
    name: text(row['name']),
    authorName: maybeText(row['author_name']),
    tagline: maybeText(row['tagline']),
    description: maybeText(row['description']),
    logoId: maybeText(row['logo_id']),
    authorLogoId: maybeText(row['author_logo_id']),
    website: maybeText(row['website']),
    status: text(row['status']) as ApplicationStatus,
    statusReason: maybeText(row['status_reason']),
    permissions: json<string[]>(row['permissions']),
    optionalPermissions: json<string[]>(row['optional_permissions']),
    properties: maybeJson<object>(row['properties']),
    configurationUrl,
    configuredBy: configurationUrl === null ? 'user' : 'application',
    redirectUris: json<string[]>(row['redirect_uris']),
    installsOn: text(row['installs_on']) as InstallsOn,
    clientType: text(row['client_type']) as ClientType,
    requiresPkce: boolean(row['requires_pkce']),
    requiresDpop: boolean(row['requires_dpop']),
    jwks: maybeJson<{ keys: object[] }>(row['jwks']),
    version: integer(row['version']),
    acknowledges: boolean(row['acknowledges']),
    rateLimit: row['rate_limit'] === null ? null : integer(row['rate_limit']),
    clientId: text(row['client_id']),
    clientStatus: text(row['client_status']) as ClientStatus,
    revisionSubmittedTime: maybeIso(row['revision_submitted_time']),
    createdTime: iso(row['created_time']),
    updatedTime: iso(row['updated_time']),
  }
}
