import { claimDue, inTransaction, type Db } from '../database/index.ts'
import { createPoller, isoIn, nowIso, type Poller } from '../kernel/index.ts'
import { overdueEnabling } from './acknowledge.ts'
import type { InstallationsContext } from './context.ts'
import { theHost } from './history.ts'
import { runDueJobs } from './jobs.ts'
import { applicationOf } from './locate.ts'
import { settleDisabling } from './stop.ts'
import { mapInstallation } from './installation-row.ts'
import type { Installation } from './installation.ts'
import {
  dueInstallations,
  installationsTable,
  lockInstallationById,
  releaseInstallation,
  swapInstallation,
} from './store.ts'

const batch = 50
const leaseSeconds = 30

/**
 * Background work of installations: acknowledgements that are overdue, cleanups whose time is over, and what is done for many
 * of them, a batch at a time. Any number of processes may run one; deadlines and jobs are in the database, so that a restart
 * loses none.
 */
export function createInstallationWorker(ctx: InstallationsContext): Poller {
  return createPoller(ctx, 'due installations', async () => {
    const now = nowIso(ctx.clock)
    const { rows, leaseToken } = await claimDue(ctx.db, ctx.dialect, {
      table: installationsTable,
      due: dueInstallations(now),
      limit: batch,
      leaseUntil: isoIn(ctx.clock, leaseSeconds),
    })
    for (const { id } of rows.map(mapInstallation)) {
      try {
        await settle(ctx, id, leaseToken)
      } catch (err) {
        // The lease keeps it from being tried again in every round; the others go on.
        ctx.logger.error({ err, installationId: id }, 'due installation not settled')
      }
    }
    return rows.length + (await runDueJobs(ctx))
  })
}

async function settle(ctx: InstallationsContext, id: string, leaseToken: string): Promise<void> {
  await inTransaction(ctx.db, async (trx) => {
    const installation = await lockInstallationById(trx, ctx.dialect, id)
    // Since it was claimed it may have been claimed by a successor, after this lease ran out; or have been moved on.
    if (installation?.leaseToken !== leaseToken) return
    if (isDue(ctx, installation)) await takeNextStep(ctx, trx, installation)
    await releaseInstallation(trx, id, leaseToken)
  })
}

async function takeNextStep(ctx: InstallationsContext, trx: Db, installation: Installation): Promise<void> {
  if (installation.status === 'disabling') {
    await settleDisabling(ctx, trx, installation, { actor: theHost, reason: 'the time for the cleanup is over' })
  } else if (installation.status === 'enabling') {
    await overdueEnabling(ctx, trx, await applicationOf(trx, installation), installation)
  } else {
    await swapInstallation(trx, installation, { deadlineTime: null })
  }
}

function isDue(ctx: InstallationsContext, { deadlineTime }: Installation): boolean {
  return deadlineTime !== null && deadlineTime <= nowIso(ctx.clock)
}
