import {
  integer,
  iso,
  json,
  maybeIso,
  maybeJson,
  maybeText,
  text,
  toJson,
  type Db,
  type Row,
} from '../database/index.ts'
import type { Page, Paged } from '../http/index.ts'
import type { CoreMembers } from './application.ts'
import type { Price } from './context.ts'
import type { ReleaseMode, Version, VersionStatus } from './version.ts'

const table = 'stoa_versions'

export type NewVersion = Pick<
  Version,
  | 'applicationId'
  | 'status'
  | 'content'
  | 'prices'
  | 'releaseMode'
  | 'notes'
  | 'createdBy'
  | 'createdTime'
  | 'submittedTime'
>

/**
 * Writes a version under the next number. The caller holds the lock on the application's row, so that two at once do not come
 * to the same one; the primary key would refuse the second.
 */
export async function insertVersion(db: Db, version: NewVersion): Promise<Version> {
  const { applicationId } = version
  const last = (await db(table).where({ application_id: applicationId }).max({ number: 'number' }).first()) as Row
  const number = last['number'] === null ? 1 : integer(last['number']) + 1
  await db(table).insert({
    application_id: applicationId,
    number,
    status: version.status,
    content: toJson(version.content),
    prices: version.prices && toJson(version.prices),
    release_mode: version.releaseMode,
    notes: version.notes,
    created_by: version.createdBy,
    created_time: version.createdTime,
    submitted_time: version.submittedTime,
  })
  return (await findVersion(db, applicationId, number))!
}

export async function findVersion(db: Db, applicationId: string, number: number): Promise<Version | null> {
  const row = (await db(table).where({ application_id: applicationId, number }).first()) as Row | undefined
  return row ? toVersion(row) : null
}

/** The newest version in one of these states. */
export async function findNewest(db: Db, applicationId: string, statuses: VersionStatus[]): Promise<Version | null> {
  const row = (await db(table)
    .where({ application_id: applicationId })
    .whereIn('status', statuses)
    .orderBy('number', 'desc')
    .first()) as Row | undefined
  return row ? toVersion(row) : null
}

/** Of each of these applications the version that waits for review, by application id. There is one at most. */
export async function findSubmitted(db: Db, applicationIds: string[]): Promise<Map<string, Version>> {
  if (applicationIds.length === 0) return new Map()
  const rows = (await db(table).whereIn('application_id', applicationIds).where({ status: 'submitted' })) as Row[]
  return new Map(rows.map((row) => [text(row['application_id']), toVersion(row)]))
}

/** Newest first. */
export async function listVersions(db: Db, applicationId: string, page: Page): Promise<Paged<Version>> {
  const query = db(table).where({ application_id: applicationId })
  const counted = (await query.clone().count({ total: '*' }).first()) as Row
  const rows = (await query.orderBy('number', 'desc').limit(page.limit).offset(page.offset)) as Row[]
  return { items: rows.map(toVersion), total: integer(counted['total']) }
}

type Changeable =
  | 'status'
  | 'content'
  | 'prices'
  | 'releaseMode'
  | 'notes'
  | 'reason'
  | 'submittedTime'
  | 'decidedTime'
  | 'releasedTime'
  | 'yankedTime'

/** Every step of the state machine: one compare-and-swap; false when the version is not in that state any more. */
export async function moveVersion(
  db: Db,
  { applicationId, number }: Pick<Version, 'applicationId' | 'number'>,
  from: VersionStatus,
  set: Partial<Pick<Version, Changeable>>,
): Promise<boolean> {
  const row: Row = {}
  if (set.status !== undefined) row['status'] = set.status
  if (set.content !== undefined) row['content'] = toJson(set.content)
  if (set.prices !== undefined) row['prices'] = set.prices && toJson(set.prices)
  if (set.releaseMode !== undefined) row['release_mode'] = set.releaseMode
  if (set.notes !== undefined) row['notes'] = set.notes
  if (set.reason !== undefined) row['reason'] = set.reason
  if (set.submittedTime !== undefined) row['submitted_time'] = set.submittedTime
  if (set.decidedTime !== undefined) row['decided_time'] = set.decidedTime
  if (set.releasedTime !== undefined) row['released_time'] = set.releasedTime
  if (set.yankedTime !== undefined) row['yanked_time'] = set.yankedTime
  return (await db(table).where({ application_id: applicationId, number, status: from }).update(row)) > 0
}

/** Only a draft can go; false when it is none any more. */
export async function deleteDraft(db: Db, applicationId: string, number: number): Promise<boolean> {
  return (await db(table).where({ application_id: applicationId, number, status: 'draft' }).delete()) > 0
}

function toVersion(row: Row): Version {
  return {
    applicationId: text(row['application_id']),
    number: integer(row['number']),
    status: text(row['status']) as VersionStatus,
    content: json<CoreMembers>(row['content']),
    prices: maybeJson<Price[]>(row['prices']),
    releaseMode: text(row['release_mode']) as ReleaseMode,
    notes: maybeText(row['notes']),
    reason: maybeText(row['reason']),
    createdBy: maybeText(row['created_by']),
    createdTime: iso(row['created_time']),
    submittedTime: maybeIso(row['submitted_time']),
    decidedTime: maybeIso(row['decided_time']),
    releasedTime: maybeIso(row['released_time']),
    yankedTime: maybeIso(row['yanked_time']),
  }
}
