import { createApiKey, revokeApiKeysOf } from '../access/index.ts'
import type { Db } from '../database/index.ts'
import type { Caller } from '../http/index.ts'
import { nowIso, StoaError } from '../kernel/index.ts'
import type { Application } from './application.ts'
import { addClientSecret, endClientSecrets } from './client-secrets.ts'
import type { ApplicationsContext } from './context.ts'
import { ownedApplication } from './find-application.ts'
import { recordStep } from './record-step.ts'
import { findApplication, lockApplication, markDeleted } from './store.ts'

/** A new client secret, shown in this answer only. The old one is dead at once. */
export async function rotateClientSecret(
  ctx: ApplicationsContext,
  db: Db,
  caller: Caller,
  id: string,
): Promise<{ application: Application; clientSecret: string }> {
  await ownedApplication(db, caller, id)
  await endClientSecrets(ctx, db, id, 0)
  const { secret: clientSecret } = await addClientSecret(ctx, db, id)
  return { application: (await findApplication(db, id))!, clientSecret }
}

/**
 * Takes an application away and ends its API keys. Refused with `in_use` when it has or had installations, because their
 * tokens, settings and charges refer to it; such an application is taken out of the store by disabling it.
 */
export async function deleteApplication(ctx: ApplicationsContext, db: Db, caller: Caller, id: string): Promise<void> {
  const application = await ownedApplication(db, caller, id)
  await lockApplication(db, id, ctx.dialect.rowLocks)
  const installations = await ctx.countInstallations(db, id)
  if (installations > 0) {
    const message = 'The application has been installed, so that it cannot be deleted; ask the operator to disable it.'
    throw new StoaError('in_use', { message, details: { installations } })
  }
  await revokeApiKeysOf(ctx, db, { organizationId: application.publisherId, applicationId: id })
  if (!(await markDeleted(db, id, nowIso(ctx.clock)))) throw new StoaError('not_found')
  await recordStep(ctx, db, caller, application, { action: 'deleted', from: application.status, reason: null })
}

/** Makes an API key that acts for this application alone. */
export async function createApplicationKey(
  ctx: ApplicationsContext,
  db: Db,
  caller: Caller,
  id: string,
  input: Omit<Parameters<typeof createApiKey>[3], 'applicationId'>,
): ReturnType<typeof createApiKey> {
  await ownedApplication(db, caller, id)
  return createApiKey(ctx, db, caller, { ...input, applicationId: id })
}
