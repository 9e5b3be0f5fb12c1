import { afterCommit, type Db } from '../database/index.ts'
import { publishMany, type NewEvent } from '../events/index.ts'
import { environments } from '../context.ts'
import type { Caller } from '../http/index.ts'
import { newId, nowIso } from '../kernel/index.ts'
import type { Application, ApplicationAction, ApplicationStatus } from './application.ts'
import type { ApplicationsContext } from './context.ts'
import { insertHistoryEntry } from './history-store.ts'

export interface RecordedStep {
  action: ApplicationAction
  /** Of the listing; its present status when the step is a version's or a secret's. */
  from: ApplicationStatus | null
  reason: string | null
  version?: number | null
  secretId?: string | null
  /** What the event tells; by default what has become of the listing. */
  data?: object
}

const eventTypes: Partial<Record<ApplicationAction, NewEvent['type']>> = {
  submitted: 'application.submitted',
  approved: 'application.approved',
  rejected: 'application.rejected',
  disabled: 'application.disabled',
  enabled: 'application.enabled',
  released: 'application.released',
  yanked: 'application.yanked',
  'secret-rotated': 'application.secret-rotated',
  'secret-ended': 'application.secret-ended',
}

/**
 * Writes what has just happened to the application (given as it is now) into its history and into the outbox, in the same
 * transaction, and tells the embedder after it.
 */
export async function recordStep(
  ctx: ApplicationsContext,
  db: Db,
  caller: Caller,
  application: Application,
  { action, from, reason, version = null, secretId = null, data }: RecordedStep,
): Promise<void> {
  const { id, status: to, publisherId } = application
  const time = nowIso(ctx.clock)
  const actor = { kind: caller.kind, id: caller.userId ?? caller.credentialId, organizationId: caller.organizationId }
  await insertHistoryEntry(db, id, { id: newId('aph'), action, from, to, reason, version, secretId, actor, time })

  const type = eventTypes[action]
  if (type) {
    const told = data ?? { name: application.name, status: to, reason, version, ofRevision: from === to }
    // An application has no environment; an endpoint has one, so that each hears of it once.
    const events: NewEvent[] = environments.map((environment) => ({
      type,
      publisherId,
      applicationId: id,
      organizationId: publisherId,
      locationId: null,
      environment,
      payload: { type, timestamp: time, data: { applicationId: id, ...told } },
    }))
    await publishMany(ctx, db, events)
  }
  if (from !== null && from !== to) {
    afterCommit(db, () => ctx.lifecycle.emit('application.status-changed', { applicationId: id, from, to, reason }))
  }
}
