import { integer, iso, maybeText, text, type Db, type Row } from '../database/index.ts'
import type { CallerKind, Page, Paged } from '../http/index.ts'
import type { ApplicationAction, ApplicationHistoryEntry, ApplicationStatus } from './application.ts'

const table = 'stoa_application_history'

export async function insertHistoryEntry(db: Db, applicationId: string, entry: ApplicationHistoryEntry): Promise<void> {
  await db(table).insert({
    id: entry.id,
    application_id: applicationId,
    action: entry.action,
    from_status: entry.from,
    to_status: entry.to,
    reason: entry.reason,
    version: entry.version,
    secret_id: entry.secretId,
    actor_kind: entry.actor.kind,
    actor_id: entry.actor.id,
    actor_organization_id: entry.actor.organizationId,
    time: entry.time,
  })
}

/** Newest first: ids are ordered by time. */
export async function listHistory(db: Db, applicationId: string, page: Page): Promise<Paged<ApplicationHistoryEntry>> {
  const query = db(table).where({ application_id: applicationId })
  const counted = (await query.clone().count({ total: '*' }).first()) as Row
  const rows = (await query.orderBy('id', 'desc').limit(page.limit).offset(page.offset)) as Row[]
  return { items: rows.map(toEntry), total: integer(counted['total']) }
}

function toEntry(row: Row): ApplicationHistoryEntry {
  return {
    id: text(row['id']),
    action: text(row['action']) as ApplicationAction,
    from: maybeText(row['from_status']) as ApplicationStatus | null,
    to: text(row['to_status']) as ApplicationStatus,
    reason: maybeText(row['reason']),
    version: row['version'] === null ? null : integer(row['version']),
    secretId: maybeText(row['secret_id']),
    actor: {
      kind: text(row['actor_kind']) as CallerKind,
      id: text(row['actor_id']),
      organizationId: text(row['actor_organization_id']),
    },
    time: iso(row['time']),
  }
}
