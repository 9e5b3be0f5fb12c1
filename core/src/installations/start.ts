import type { Application } from '../applications/index.ts'
import type { Db } from '../database/index.ts'
import { isoIn, nowIso } from '../kernel/index.ts'
import type { InstallationsContext, Start } from './context.ts'
import { theHost, type Actor } from './history.ts'
import { moveInstallation } from './move-installation.ts'
import { settleDisabling } from './stop.ts'
import type { FanOut, Installation } from './installation.ts'
import type { Change } from './installation-row.ts'

/** What begins anew whenever something is installed that was not. */
export interface Beginning {
  grant: string[]
  version: number
  installedBy: string | null
  fanOut: FanOut | null
  parentId: string | null
  /** Of an installation that was passed on: what the organization's had refused, and been asked. */
  refusedVersion?: number | null
  pendingVersion?: number | null
}

/** With which plan it goes on, or begins. */
export type PlanChoice = Pick<Start, 'planId' | 'withParent'>

/**
 * Brings what is disabled, or being disabled, to `enabling` and, unless the application acknowledges, to `enabled`. With a
 * beginning it is installed anew. The caller announces it, once its settings are written.
 */
export async function startInstallation(
  ctx: InstallationsContext,
  db: Db,
  application: Application,
  found: Installation,
  { actor, beginning, choice }: { actor: Actor; beginning?: Beginning; choice: PlanChoice },
): Promise<Installation> {
  const settled =
    found.status === 'disabling'
      ? await settleDisabling(ctx, db, found, { actor, reason: 'enabled again before the cleanup was over' })
      : found
  const { acknowledgeSeconds } = ctx.config.installations
  const enabling = await moveInstallation(ctx, db, settled, {
    to: 'enabling',
    actor,
    reason: beginning ? 'installed' : 'enabled',
    set: {
      statusReason: null,
      problemCode: null,
      problemTime: null,
      tries: 1,
      deadlineTime: application.acknowledges ? isoIn(ctx.clock, acknowledgeSeconds) : null,
      ...(beginning && changeOf(ctx, beginning)),
    },
  })
  const started = application.acknowledges
    ? enabling
    : await moveInstallation(ctx, db, enabling, { to: 'enabled', actor: theHost, reason: null, set: { tries: 0 } })
  await ctx.onStarted(db, { installation: started, isNew: beginning !== undefined, actor, ...choice })
  return started
}

function changeOf(ctx: InstallationsContext, beginning: Beginning): Change {
  return {
    refusedVersion: null,
    pendingVersion: null,
    ...beginning,
    uninstalledTime: null,
    installedTime: nowIso(ctx.clock),
  }
}
