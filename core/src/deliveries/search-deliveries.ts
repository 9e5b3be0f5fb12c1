import type { Knex } from 'knex'
import { integer, maybeText, text, type Db, type Row } from '../database/index.ts'
import type { EndpointScope } from '../events/index.ts'
import { firstIdAt, utcTime } from '../kernel/index.ts'
import type { DeliveryFilter } from './schemas.ts'

const table = 'stoa_deliveries'

/**
 * How many deliveries one statement looks at, and one request. What is rare among millions is not looked for to the end,
 * which on SQLite would keep the whole host waiting: the answer says where to go on.
 */
const mostPerWindow = 10_000
const mostPerRequest = 50_000

export interface Found {
  /** Newest first. */
  rows: Row[]
  /** Where to go on, as `before`; null when there is no more. */
  next: string | null
}

/** The deliveries in a caller's scope that fit, those of deleted endpoints too; newest first. */
export async function searchDeliveries(
  db: Db,
  scope: EndpointScope,
  filter: DeliveryFilter,
  page: { limit: number; offset: number },
): Promise<Found> {
  const found: Row[] = []
  const wanted = page.offset + page.limit
  let before = filter.before ?? null
  let looked = 0
  if (page.limit === 0 || !(await isSearchable(db, scope, filter))) return { rows: [], next: null }
  // The first window is small: usually everything fits, and the page is full after a hundred.
  for (let size = Math.max(200, 2 * wanted); looked < mostPerRequest; size = mostPerWindow) {
    const window = () =>
      windowOf(db, scope, { ...filter, ...(before !== null && { before }) }, Math.min(size, mostPerWindow))
    const fitting = db
      .select('*')
      .from(window().as('d'))
      .orderBy('id', 'desc')
      .limit(wanted - found.length)
    found.push(...((await narrow(fitting, db, scope, filter)) as Row[]))
    if (found.length === wanted) {
      return { rows: found.slice(page.offset), next: text(found.at(-1)!.id) }
    }
    const [edge] = (await db.from(window().as('d')).min({ id: 'id' }).count({ size: '*' })) as Row[]
    if (integer(edge!.size) < Math.min(size, mostPerWindow)) return { rows: found.slice(page.offset), next: null }
    looked += integer(edge!.size)
    before = text(edge!.id)
  }
  return { rows: found.slice(page.offset), next: before }
}

/** How many fit among the newest `mostPerWindow`: to count a million would take longer than the page itself. */
export async function countDeliveries(db: Db, scope: EndpointScope, filter: DeliveryFilter): Promise<number> {
  if (!(await isSearchable(db, scope, filter))) return 0
  const fitting = db.count({ total: '*' }).from(windowOf(db, scope, filter, mostPerWindow).as('d'))
  const [counted] = (await narrow(fitting, db, scope, filter)) as Row[]
  return integer(counted!.total)
}

/** One delivery in the caller's scope; that of a deleted endpoint too. */
export async function findDelivery(db: Db, scope: EndpointScope, id: string): Promise<Row | null> {
  const query = db.select('*').from(table).as('d').where({ id })
  return ((await narrow(query, db, scope, {})) as Row[])[0] ?? null
}

/** Of the newest deliveries of the organization, those in the scope. */
export function newestDeliveries(db: Db, scope: EndpointScope, most: number): Knex.QueryBuilder {
  return narrow(db.select('id', 'type', 'created_time').from(windowOf(db, scope, {}, most).as('w')), db, scope, {})
}

/**
 * Whether the caller sees the endpoint, if it asks for one: the window is that endpoint's, and the answer says where it ended. One
 * of somebody else is found as little as one that does not exist, and costs as little.
 */
async function isSearchable(db: Db, scope: EndpointScope, { endpointId }: DeliveryFilter): Promise<boolean> {
  return endpointId === undefined || seesEndpoint(db, scope, endpointId)
}

/** What an index can tell: a stretch of it, from its newest end. All of it the organization's, in its environment. */
function windowOf(db: Db, scope: EndpointScope, filter: DeliveryFilter, size: number): Knex.QueryBuilder {
  const { endpointId, eventId, before, since, until } = filter
  const query = db(table).select('*').orderBy('id', 'desc').limit(size)
  if (eventId !== undefined) {
    // As a set of ids, or SQLite would rather walk an index that has the order.
    const { organizationId: organization_id, environment } = scope
    void query.whereIn('id', db(table).select('id').where({ event_id: eventId, organization_id, environment }))
  } else if (endpointId !== undefined) {
    void query.where({ endpoint_id: endpointId })
    // Literal, so that the partial index is found.
    if (filter.status === 'failed') void query.whereRaw(`state = 'failed'`)
  } else {
    void query.where({ organization_id: scope.organizationId, environment: scope.environment })
    if (isTrouble(filter)) void query.whereRaw('last_error is not null')
  }
  if (before !== undefined) void query.where('id', '<', before)
  if (until !== undefined) void query.where('id', '<', firstIdAt('dlv', utcTime('until', until)))
  if (since !== undefined) void query.where('id', '>=', firstIdAt('dlv', utcTime('since', since)))
  return query
}

/** Whether only a delivery whose last try failed can fit. */
function isTrouble({ status, responseStatus, errorCode }: DeliveryFilter): boolean {
  return (
    status === 'failed' || errorCode !== undefined || (responseStatus !== undefined && !responseStatus.startsWith('2'))
  )
}

/** Everything else, and whose they are. */
function narrow(query: Knex.QueryBuilder, db: Db, scope: EndpointScope, filter: DeliveryFilter): Knex.QueryBuilder {
  const { organizationId, environment, applicationId, installationId } = scope
  void query.where({ organization_id: organizationId, environment })
  const endpoints = () =>
    db('stoa_webhook_endpoints').select('id').where({ organization_id: organizationId, environment })
  if (applicationId !== null || installationId !== null) {
    const own = endpoints()
    if (applicationId !== null) void own.where({ application_id: applicationId })
    if (installationId !== null) void own.where({ installation_id: installationId })
    void query.whereIn('endpoint_id', own)
  }
  if (filter.endpointId !== undefined) void query.where({ endpoint_id: filter.endpointId })
  if (filter.status === 'held' || filter.status === 'pending') {
    const status = filter.status === 'held' ? 'DISABLED' : 'ACTIVE'
    void query.where({ state: 'pending' }).whereIn('endpoint_id', endpoints().where({ status }))
  } else if (filter.status !== undefined) {
    void query.where({ state: filter.status })
  }
  if (filter.type !== undefined) {
    if (filter.type.includes('*')) void query.where('type', 'like', filter.type.replaceAll('*', '%'))
    else void query.where({ type: filter.type })
  }
  narrowByOutcome(query, filter)
  if (filter.applicationId !== undefined) {
    const { applicationId: concerned } = filter
    void query.whereExists(
      db
        .select(db.raw('1'))
        .from('stoa_events as e')
        .whereRaw('e.id = event_id')
        .where({ 'e.application_id': concerned }),
    )
  }
  return query
}

function narrowByOutcome(query: Knex.QueryBuilder, { responseStatus, errorCode }: DeliveryFilter): void {
  if (errorCode !== undefined) void query.where({ last_error: errorCode })
  if (responseStatus === undefined) return
  if (responseStatus === 'none') void query.whereNull('last_status').whereNotNull('last_error')
  else if (responseStatus.endsWith('xx')) {
    const first = Number(responseStatus[0]) * 100
    void query.whereBetween('last_status', [first, first + 99])
  } else void query.where({ last_status: Number(responseStatus) })
}

/** Whether an endpoint, be it deleted, is in the scope. */
export async function seesEndpoint(db: Db, scope: EndpointScope, id: string): Promise<boolean> {
  const row = await db('stoa_webhook_endpoints').where({ id }).first<Row | undefined>()
  return (
    row !== undefined &&
    row.organization_id === scope.organizationId &&
    row.environment === scope.environment &&
    (scope.applicationId === null || maybeText(row.application_id) === scope.applicationId) &&
    (scope.installationId === null || maybeText(row.installation_id) === scope.installationId)
  )
}
