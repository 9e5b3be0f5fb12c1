import { claimDue, text } from '../../database/index.ts'
import { createPoller, isoIn, nowIso, type Poller } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { countTries, delayRun, dueRuns, mapRun, payoutRunsTable } from './payout-run-store.ts'
import { runPayoutStep } from './run-payouts.ts'

const batch = 4
const leaseSeconds = 60
const firstDelaySeconds = 10
const longestDelaySeconds = 3600

/**
 * Goes on with payout runs, a step of each in turn. Any number of processes may run one: a step begins by looking whether the run is still
 * this claim's, and ends by giving it back, so that a run survives its process. One whose step fails as a whole, for what is no single
 * organization's fault, is tried again, later each time, for as long as it takes: giving it up would help nobody, and the next run would
 * fail on the same.
 */
export function createPayoutWorker(ctx: WalletContext): Poller {
  const worker = createPoller(ctx, 'payout runs', async () => {
    const { rows, leaseToken } = await claimDue(ctx.db, ctx.dialect, {
      table: payoutRunsTable,
      due: dueRuns(nowIso(ctx.clock)),
      limit: batch,
      leaseUntil: isoIn(ctx.clock, leaseSeconds),
    })
    for (const row of rows) {
      try {
        await runPayoutStep(ctx, ctx.db, mapRun(row), leaseToken)
      } catch (err) {
        // The others go on.
        ctx.logger.error({ err, payoutRunId: row.id }, 'a step of a payout run failed; it is tried again later')
        await putOff(ctx, text(row.id), leaseToken)
      }
    }
    return rows.length
  })
  ctx.signals.on('payout-runs-due', () => worker.wake())
  return worker
}

async function putOff(ctx: WalletContext, id: string, leaseToken: string): Promise<void> {
  try {
    const before = await countTries(ctx.db, id, leaseToken)
    if (before === null) return
    const seconds = Math.min(firstDelaySeconds * 2 ** Math.min(before, 20), longestDelaySeconds)
    await delayRun(ctx.db, id, { leaseToken, tries: before + 1, nextTime: isoIn(ctx.clock, seconds) })
  } catch (err) {
    // Its lease keeps it from being tried again in every round.
    ctx.logger.error({ err, payoutRunId: id }, 'that a step of a payout run failed could not be recorded')
  }
}
