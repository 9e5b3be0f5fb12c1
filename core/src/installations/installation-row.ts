import type { Environment } from '../context.ts'
import { integer, iso, json, maybeIso, maybeJson, maybeText, text, toJson, type Row } from '../database/index.ts'
import type { FanOut, Installation, ProblemCode, ShownSecrets, Status, Target } from './installation.ts'

/** What a step may set of an installation: neither what it is, nor where. */
export type Change = Partial<
  Omit<Installation, keyof Target | 'id' | 'applicationId' | 'createdTime' | 'revision' | 'leaseToken'>
>

const columnNames: Record<keyof Change | 'revision', string> = {
  status: 'status',
  statusReason: 'status_reason',
  version: 'version',
  refusedVersion: 'refused_version',
  pendingVersion: 'pending_version',
  fanOut: 'fan_out',
  parentId: 'parent_id',
  grant: 'grant',
  settings: 'settings',
  secrets: 'secrets',
  shownSecrets: 'shown_secrets',
  configuredTime: 'configured_time',
  installedBy: 'installed_by',
  installedTime: 'installed_time',
  uninstalledTime: 'uninstalled_time',
  revision: 'revision',
  episode: 'episode',
  tries: 'tries',
  deadlineTime: 'deadline_time',
  problemCode: 'problem_code',
  problemTime: 'problem_time',
  updatedTime: 'updated_time',
}

const jsonMembers = new Set(['grant', 'settings', 'shownSecrets', 'fanOut'])

/** The columns of the members that are given; the others stay as they are. */
export function columnsOf(change: Change & { revision?: number }): Row {
  const columns: Row = {}
  for (const [member, column] of Object.entries(columnNames)) {
    const value = change[member as keyof Change]
    if (value === undefined) continue
    columns[column] = jsonMembers.has(member) && value !== null ? toJson(value) : value
  }
  return columns
}

export function mapInstallation(row: Row): Installation {
  return {
    id: text(row.id),
    applicationId: text(row.application_id),
    organizationId: text(row.organization_id),
    locationId: maybeText(row.location_id),
    environment: row.environment as Environment,
    status: row.status as Status,
    statusReason: maybeText(row.status_reason),
    version: integer(row.version),
    refusedVersion: row.refused_version === null ? null : integer(row.refused_version),
    pendingVersion: row.pending_version === null ? null : integer(row.pending_version),
    fanOut: maybeJson<FanOut>(row.fan_out),
    parentId: maybeText(row.parent_id),
    grant: json<string[]>(row.grant),
    settings: json<Record<string, unknown>>(row.settings),
    secrets: maybeText(row.secrets),
    shownSecrets: maybeJson<ShownSecrets>(row.shown_secrets),
    configuredTime: maybeIso(row.configured_time),
    installedBy: maybeText(row.installed_by),
    installedTime: iso(row.installed_time),
    uninstalledTime: maybeIso(row.uninstalled_time),
    revision: integer(row.revision),
    episode: integer(row.episode),
    tries: integer(row.tries),
    deadlineTime: maybeIso(row.deadline_time),
    problemCode: maybeText(row.problem_code) as ProblemCode | null,
    problemTime: maybeIso(row.problem_time),
    leaseToken: maybeText(row.lease_token),
    createdTime: iso(row.created_time),
    updatedTime: iso(row.updated_time),
  }
}
