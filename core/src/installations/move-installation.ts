import { afterCommit, type Db } from '../database/index.ts'
import { nowIso, StoaError } from '../kernel/index.ts'
import type { InstallationsContext } from './context.ts'
import { insertStep, type Actor } from './history.ts'
import type { Installation, Status } from './installation.ts'
import type { Change } from './installation-row.ts'
import { swapInstallation } from './store.ts'

/** The state machine. To disable what is still being enabled is allowed: a merchant can put an app out at any time. */
const ways: Record<Status, readonly Status[]> = {
  enabling: ['enabled', 'disabling'],
  enabled: ['disabling'],
  disabling: ['disabled'],
  disabled: ['enabling'],
}

export interface Move {
  to: Status
  actor: Actor
  reason: string | null
  set?: Change
}

/**
 * One step of the state machine: one compare-and-swap UPDATE, one line of history, and the lifecycle event once all of it
 * has committed. Throws `wrong_state` when somebody else was faster.
 */
export async function moveInstallation(
  ctx: InstallationsContext,
  db: Db,
  installation: Installation,
  move: Move,
): Promise<Installation> {
  const isNew = installation.revision === 0
  if (!ways[installation.status].includes(move.to)) {
    throw new Error(`There is no way from ${installation.status} to ${move.to}`)
  }
  return recordStep(ctx, db, installation, { ...move, from: isNew ? null : installation.status })
}

/** A line of history that leaves the status as it is, such as the uninstallation of what was disabled before. */
export function remarkInstallation(
  ctx: InstallationsContext,
  db: Db,
  installation: Installation,
  remark: Omit<Move, 'to'>,
): Promise<Installation> {
  return recordStep(ctx, db, installation, { ...remark, to: installation.status, from: installation.status })
}

async function recordStep(
  ctx: InstallationsContext,
  db: Db,
  installation: Installation,
  { from, to, actor, reason, set }: Move & { from: Status | null },
): Promise<Installation> {
  const time = nowIso(ctx.clock)
  const revision = installation.revision + 1
  const begins = from !== to && (to === 'enabling' || to === 'disabling')
  const change = { ...set, status: to, revision, updatedTime: time, ...(begins && { episode: revision }) }
  const moved = await swapInstallation(db, installation, change)
  if (!moved) {
    throw new StoaError('wrong_state', { message: 'The installation was changed at the same moment; read it again.' })
  }
  await insertStep(db, installation.id, { revision, actor, from, to, reason, time })
  const { applicationId, organizationId, locationId, environment } = moved
  const tenant = { organizationId, locationId, environment }
  afterCommit(db, () => {
    const change = { applicationId, installationId: moved.id, ...tenant, from, to, reason }
    ctx.lifecycle.emit('installation.status-changed', change)
  })
  return moved
}
