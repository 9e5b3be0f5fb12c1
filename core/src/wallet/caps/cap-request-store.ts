import type { Environment } from '../../context.ts'
import { integer, iso, maybeIso, maybeText, money, text, type Db, type Row } from '../../database/index.ts'
import type { Page, Paged } from '../../http/index.ts'
import type { CapRequest, CapScope } from './cap.ts'
import { mapScope, scopeColumns } from './cap-store.ts'

const table = 'stoa_cap_requests'

export async function insertCapRequest(db: Db, request: CapRequest): Promise<void> {
  await db(table).insert({
    id: request.id,
    installation_id: request.installationId,
    application_id: request.applicationId,
    organization_id: request.organizationId,
    location_id: request.locationId,
    environment: request.environment,
    ...scopeColumns(request),
    amount: request.amount,
    reason: request.reason,
    status: request.status,
    answer: request.answer,
    decided_by: request.decidedBy,
    decided_time: request.decidedTime,
    created_time: request.createdTime,
  })
}

/** The installation must be locked: decisions follow each other. */
export async function updateCapRequest(db: Db, request: CapRequest): Promise<void> {
  const { id, status, answer, decidedBy, decidedTime } = request
  await db(table).where({ id }).update({ status, answer, decided_by: decidedBy, decided_time: decidedTime })
}

export async function findCapRequest(db: Db, installationId: string, id: string): Promise<CapRequest | null> {
  return first(db, { installation_id: installationId, id })
}

export async function findOpenCapRequest(db: Db, installationId: string, scope: CapScope): Promise<CapRequest | null> {
  return first(db, { installation_id: installationId, status: 'open', ...scopeColumns(scope) })
}

/** When the request was made before which there were `newer` later ones for the same scope; null when there were not so many. */
export async function findTimeOfRequest(
  db: Db,
  installationId: string,
  scope: CapScope,
  newer: number,
): Promise<string | null> {
  const row = (await db(table)
    .where({ installation_id: installationId, ...scopeColumns(scope) })
    .orderBy('id', 'desc')
    .offset(newer)
    .select('created_time')
    .first()) as Row | undefined
  return row ? iso(row.created_time) : null
}

/** The latest first. */
export async function listCapRequests(
  db: Db,
  { installationId, status }: { installationId: string; status: CapRequest['status'] | undefined },
  page: Page,
): Promise<Paged<CapRequest>> {
  const query = db(table).where({ installation_id: installationId, ...(status && { status }) })
  const [{ count } = { count: 0 }] = (await query.clone().count({ count: '*' })) as Row[]
  const rows = (await query.orderBy('id', 'desc').limit(page.limit).offset(page.offset)) as Row[]
  return { items: rows.map(mapRequest), total: integer(count) }
}

async function first(db: Db, where: Row): Promise<CapRequest | null> {
  const row = (await db(table).where(where).first()) as Row | undefined
  return row ? mapRequest(row) : null
}

function mapRequest(row: Row): CapRequest {
  return {
    ...mapScope(row),
    id: text(row.id),
    installationId: text(row.installation_id),
    applicationId: text(row.application_id),
    organizationId: text(row.organization_id),
    locationId: text(row.location_id),
    environment: row.environment as Environment,
    amount: money(row.amount),
    reason: text(row.reason),
    status: row.status as CapRequest['status'],
    answer: maybeText(row.answer),
    decidedBy: maybeText(row.decided_by),
    decidedTime: maybeIso(row.decided_time),
    createdTime: iso(row.created_time),
  }
}
