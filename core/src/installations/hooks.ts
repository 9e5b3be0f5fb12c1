import type { Db } from '../database/index.ts'
import { inTransaction } from '../database/index.ts'
import type { EventHooks, StoredEvent } from '../events/index.ts'
import { nowIso } from '../kernel/index.ts'
import { finishEnabling } from './acknowledge.ts'
import type { InstallationsContext } from './context.ts'
import { highLevelForms } from './highlevel-format.ts'
import { findNotice } from './history.ts'
import { mintToken } from './mint-token.ts'
import { settleDisabling } from './stop.ts'
import type { Installation, Status } from './installation.ts'
import { lockInstallationById, swapInstallation } from './store.ts'

/** What installations do as their events travel. host.ts puts it into `ctx.eventHooks`. */
export function installationHooks(ctx: InstallationsContext): EventHooks {
  return {
    enrich: {
      'application-instance-enabled': (db, event) => inTransaction(db, (trx) => addToken(ctx, trx, event)),
    },
    delivered: {
      'application-instance-enabled': async (trx, event) => {
        const installation = await lockAwaiting(ctx, trx, event, 'enabling')
        if (!installation) return
        const actor = { type: 'application', id: installation.applicationId } as const
        await finishEnabling(ctx, trx, installation, 'acknowledged', actor)
      },
      'application-instance-disabled': async (trx, event) => {
        const installation = await lockAwaiting(ctx, trx, event, 'disabling')
        if (!installation) return
        const actor = { type: 'application', id: installation.applicationId } as const
        await settleDisabling(ctx, trx, installation, { actor, reason: 'the application was told' })
      },
    },
    exhausted: {
      // The worker looks at it now instead of at the deadline: it sends again, or shows the problem.
      'application-instance-enabled': async (trx, event) => {
        const installation = await lockAwaiting(ctx, trx, event, 'enabling')
        if (installation?.deadlineTime) await swapInstallation(trx, installation, { deadlineTime: nowIso(ctx.clock) })
      },
      // Nothing for the other event: another endpoint may still be cleaning up, and the deadline comes in any case.
    },
    highLevel: highLevelForms(ctx),
  }
}

/** The body to send: what was stored, with a fresh token if the installation may have one at this moment. */
async function addToken(ctx: InstallationsContext, trx: Db, event: StoredEvent): Promise<object> {
  const notice = await findNotice(trx, event.id)
  const installation = notice && (await lockInstallationById(trx, ctx.dialect, notice.installationId))
  if (!installation || (installation.status !== 'enabling' && installation.status !== 'enabled')) return event.payload
  const token = await mintToken(ctx, trx, installation)
  const payload = event.payload as { _embedded: { applicationInstance: object } }
  const applicationInstance = { ...payload._embedded.applicationInstance, ...(token !== null && { token }) }
  return { ...payload, _embedded: { ...payload._embedded, applicationInstance } }
}

/** The installation that this very event put, or found, in this status; an event of an earlier time moves nothing. */
async function lockAwaiting(
  ctx: InstallationsContext,
  trx: Db,
  event: StoredEvent,
  status: Status,
): Promise<Installation | null> {
  const notice = await findNotice(trx, event.id)
  const installation = notice && (await lockInstallationById(trx, ctx.dialect, notice.installationId))
  return installation?.status === status && installation.episode === notice?.episode ? installation : null
}
