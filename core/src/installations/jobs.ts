import { shareApplication } from '../applications/index.ts'
import { claimDue, inTransaction, isDatabaseUnavailable, type Db } from '../database/index.ts'
import { isoIn, nowIso } from '../kernel/index.ts'
import type { InstallationsContext } from './context.ts'
import { followParent, isLive } from './family.ts'
import { theHost } from './history.ts'
import { deleteJob, dueJobs, holdJob, jobsTable, mapJob, putBackJob, queueJob, type Job } from './job-store.ts'
import { passOnPage } from './pass-on.ts'
import { canPassOn } from './place.ts'
import { rollForward } from './roll-forward.ts'
import { listInstalledIds, lockInstallationById } from './store.ts'

const jobsAtOnce = 4
const batch = 50
const leaseSeconds = 60
/** How long a fan-out waits for an application that is switched off or out of the store: nothing tells when that ends. */
const unavailableSeconds = 900

/**
 * Another version is in force: whoever it asks for no more than was granted is brought to it, the others get pending access.
 * Call it after the application's row was changed, in the same transaction. A roll-out under way begins again.
 */
export async function queueRollOut(ctx: InstallationsContext, db: Db, applicationId: string): Promise<void> {
  const now = nowIso(ctx.clock)
  await queueJob(db, {
    kind: 'roll-out',
    applicationId,
    installationId: null,
    detail: {},
    cursor: '',
    dueTime: now,
    now,
  })
}

/** One batch of every job that is due. Returns how many jobs that were. */
export async function runDueJobs(ctx: InstallationsContext): Promise<number> {
  const { rows, leaseToken } = await claimDue(ctx.db, ctx.dialect, {
    table: jobsTable,
    due: dueJobs(nowIso(ctx.clock)),
    limit: jobsAtOnce,
    leaseUntil: isoIn(ctx.clock, leaseSeconds),
  })
  for (const job of rows.map(mapJob)) {
    try {
      if (job.kind === 'roll-out') await rollOut(ctx, job, leaseToken)
      else await inTransaction(ctx.db, (trx) => serveFamily(ctx, trx, job, leaseToken))
    } catch (err) {
      // The lease keeps it from being tried again in every round; the others go on.
      ctx.logger.error({ err, jobId: job.id, kind: job.kind }, 'installation job not done; it will be tried again')
    }
  }
  return rows.length
}

/**
 * One installation a transaction: a page of them, locked together, could wait in a circle with somebody who holds an
 * organization's installation and goes through its locations. To repeat what a killed process had done does nothing.
 */
async function rollOut(ctx: InstallationsContext, job: Job, leaseToken: string): Promise<void> {
  const ids = await listInstalledIds(ctx.db, job.applicationId, { after: job.cursor, limit: batch })
  for (const id of ids) {
    try {
      await inTransaction(ctx.db, (trx) => rollOutTo(ctx, trx, job.applicationId, id))
    } catch (err) {
      if (isDatabaseUnavailable(err)) throw err
      // One that cannot be brought forward must not keep all behind it back.
      ctx.logger.error({ err, installationId: id }, 'installation not brought to the version in force')
    }
  }
  if (ids.length < batch) return deleteJob(ctx.db, job.id, leaseToken)
  await putBackJob(ctx.db, job.id, leaseToken, { cursor: ids.at(-1)!, dueTime: nowIso(ctx.clock) })
}

async function rollOutTo(ctx: InstallationsContext, trx: Db, applicationId: string, id: string): Promise<void> {
  const installation = await lockInstallationById(trx, ctx.dialect, id)
  const application = await shareApplication(trx, applicationId, ctx.dialect.rowLocks)
  if (installation && application) await rollForward(ctx, trx, application, installation)
}

/** A batch of a fan-out or a follow. The organization's installation is locked first, by everybody who serves its family. */
async function serveFamily(ctx: InstallationsContext, trx: Db, job: Job, leaseToken: string): Promise<void> {
  const found = await lockInstallationById(trx, ctx.dialect, job.installationId!)
  if (!(await holdJob(trx, ctx.dialect, job.id, leaseToken))) return
  const application = await shareApplication(trx, job.applicationId, ctx.dialect.rowLocks)
  if (!found || found.uninstalledTime !== null || !application) return deleteJob(trx, job.id, leaseToken)
  const now = nowIso(ctx.clock)
  if (job.kind === 'fan-out') {
    if (!isLive(found)) return putBackJob(trx, job.id, leaseToken, { dueTime: null })
    if (!canPassOn(application, found)) {
      return putBackJob(trx, job.id, leaseToken, { dueTime: isoIn(ctx.clock, unavailableSeconds) })
    }
  }
  const parent = await rollForward(ctx, trx, application, found)
  const family = { application, parent, actor: job.detail.actor ?? theHost }
  const page = { after: job.cursor, limit: batch }
  const cursor =
    job.kind === 'fan-out'
      ? await passOnPage(ctx, trx, family, job.detail.locations ?? [], page)
      : await followParent(ctx, trx, family, page)
  if (cursor === null) await deleteJob(trx, job.id, leaseToken)
  else await putBackJob(trx, job.id, leaseToken, { cursor, dueTime: now })
}
