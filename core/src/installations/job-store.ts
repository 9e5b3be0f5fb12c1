import type { Knex } from 'knex'
import { json, maybeText, text, toJson, type Db, type Dialect, type Row } from '../database/index.ts'
import { newId } from '../kernel/index.ts'
import type { Actor } from './history.ts'
import type { FanOutLocations } from './locations.ts'

/**
 * `roll-out`: a version, to every installation of its application. `fan-out`: an organization's installation, to chosen
 * locations. `follow`: what was passed on, to where the organization's installation is.
 */
export type JobKind = 'roll-out' | 'fan-out' | 'follow'

export interface JobDetail {
  /** Who began it: the history of what the job does names them. */
  actor?: Actor
  /** Of a fan-out: where to; what is after the cursor is left. */
  locations?: FanOutLocations
}

export interface Job {
  id: string
  kind: JobKind
  applicationId: string
  /** The organization's installation; null for a roll-out. */
  installationId: string | null
  detail: JobDetail
  /** The last id that is done; '' at first. */
  cursor: string
}

export const jobsTable = 'stoa_installation_jobs'

export interface NewJob extends Omit<Job, 'id'> {
  /** When a worker takes it up; null while it waits to be resumed. */
  dueTime: string | null
  now: string
}

/**
 * Writes a job. There is one roll-out of an application and one follow of an installation: another takes the place of the
 * one under way, which begins again at this cursor, and whose worker finds its lease gone. Fan-outs each have their own locations.
 */
export async function queueJob(db: Db, { kind, applicationId, installationId, detail, ...job }: NewJob): Promise<void> {
  const subject = installationId ?? applicationId
  const row = {
    id: kind === 'fan-out' ? newId('job') : `${kind}:${subject}`,
    kind,
    application_id: applicationId,
    installation_id: installationId,
    detail: toJson(detail),
    cursor: job.cursor,
    due_time: job.dueTime,
    lease_token: null,
    lease_until: null,
    created_time: job.now,
  }
  await db(jobsTable).insert(row).onConflict('id').merge()
}

/** The condition and order under which the worker claims jobs. */
export const dueJobs = (now: string) => (query: Knex.QueryBuilder) =>
  void query
    .where('due_time', '<=', now)
    .where((open) => void open.whereNull('lease_until').orWhere('lease_until', '<=', now))
    .orderBy(['due_time', 'id'])

/** Whether this worker still has the job, which nobody else then changes before the transaction ends. */
export async function holdJob(db: Db, dialect: Dialect, id: string, leaseToken: string): Promise<boolean> {
  const query = db(jobsTable).where({ id, lease_token: leaseToken }).select('id')
  if (dialect.rowLocks) query.forUpdate()
  return (await query).length > 0
}

/** Gives a claimed job back: to be taken up where it got to at `dueTime`. Nothing when somebody else has it now. */
export async function putBackJob(
  db: Db,
  id: string,
  leaseToken: string,
  set: { cursor?: string; dueTime: string | null },
): Promise<void> {
  await db(jobsTable)
    .where({ id, lease_token: leaseToken })
    .update({
      due_time: set.dueTime,
      lease_token: null,
      lease_until: null,
      ...(set.cursor !== undefined && { cursor: set.cursor }),
    })
}

export async function deleteJob(db: Db, id: string, leaseToken: string): Promise<void> {
  await db(jobsTable).where({ id, lease_token: leaseToken }).delete()
}

/** The organization's installation is gone, and with it what was still to be passed on. */
export async function deleteJobsOf(db: Db, installationId: string): Promise<void> {
  await db(jobsTable).where({ installation_id: installationId }).delete()
}

/** The organization's installation is enabled again: what waited for that goes on. */
export async function resumeJobsOf(db: Db, installationId: string, now: string): Promise<void> {
  await db(jobsTable).where({ installation_id: installationId }).whereNull('due_time').update({ due_time: now })
}

export function mapJob(row: Row): Job {
  return {
    id: text(row.id),
    kind: row.kind as JobKind,
    applicationId: text(row.application_id),
    installationId: maybeText(row.installation_id),
    detail: json<JobDetail>(row.detail),
    cursor: text(row.cursor),
  }
}
