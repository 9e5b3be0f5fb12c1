import { createApiKey, revokeApiKeysOf, revokeApplicationTokens } from '../access/index.ts'
import type { Db } from '../database/index.ts'
import type { Caller } from '../http/index.ts'
import { nowIso, StoaError } from '../kernel/index.ts'
import { expireClientSecret, listClientSecrets } from './client-secrets.ts'
import type { ApplicationsContext } from './context.ts'
import { ownedApplication } from './find-application.ts'
import { recordStep } from './record-step.ts'
import { lockApplication, markDeleted } from './store.ts'

/**
 * Takes an application away and ends its API keys, its client secrets and its tokens. Refused with `in_use` when it has or had installations, because their
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
  const now = nowIso(ctx.clock)
  for (const secret of await listClientSecrets(ctx, db, id)) await expireClientSecret(db, secret.id, now)
  await revokeApplicationTokens(ctx, db, id)
  if (!(await markDeleted(db, id, now))) throw new StoaError('not_found')
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
