import { revokeApplicationTokens } from '../access/index.ts'
import type { Db } from '../database/index.ts'
import type { Caller } from '../http/index.ts'
import { nowIso, StoaError } from '../kernel/index.ts'
import type { Application } from './application.ts'
import { checkChanges, normaliseInput, type ApplicationInput } from './check-application.ts'
import { endTokensOfRemovedKeys } from './client-keys.ts'
import type { ApplicationsContext } from './context.ts'
import { changesOf, coreChangesOf } from './core-changes.ts'
import { ownedApplication } from './find-application.ts'
import { assertNameFree, refusingTakenName } from './register-application.ts'
import { endSecretsOfPublicClient } from './rotate-secret.ts'
import { findApplication, updateApplication } from './store.ts'
import { overtaken } from './wrong-state.ts'

/**
 * Changes an application of the caller's organization; both surfaces come here.
 *
 * Cosmetic members change at once in every state. Core members (see CoreMembers) are
 * what a reviewer vouches for: they change freely in a draft and after a rejection, are frozen while the listing waits for
 * approval, and of an approved listing (available, disabled) they are never changed here but refused with `wrong_state`:
 * they go to `POST /applications/{id}/submit`, which makes a version of them that a reviewer approves, while the
 * approved listing stays in the store as it is. What is sent unchanged is no change. A refused edit changes nothing.
 * Switching the client off ends the tokens of all installations in the same transaction; a client that is not confidential any
 * more loses its secrets.
 */
export async function editApplication(
  ctx: ApplicationsContext,
  db: Db,
  caller: Caller,
  id: string,
  input: ApplicationInput,
): Promise<Application> {
  const application = await ownedApplication(db, caller, id)
  const changes = changesOf(application, normaliseInput(input, application))
  if (Object.keys(changes).length === 0) return application
  assertEditable(application, Object.keys(coreChangesOf(changes)))
  await checkChanges(ctx, db, caller, changes, application)
  if (changes.name !== undefined) await assertNameFree(db, application.publisherId, changes.name, id)
  const updated = await refusingTakenName(() =>
    updateApplication(db, application, changes, { updatedTime: nextTime(ctx, application) }),
  )
  if (!updated) throw await overtaken(db, id)
  if (changes.clientStatus === 'DISABLED') await revokeApplicationTokens(ctx, db, id)
  const edited = (await findApplication(db, id))!
  if (changes.jwks !== undefined) await endTokensOfRemovedKeys(ctx, db, application, edited)
  if (edited.clientType !== application.clientType) await endSecretsOfPublicClient(ctx, db, caller, edited)
  return edited
}

function assertEditable(application: Application, core: string[]): void {
  const { status } = application
  if (core.length === 0 || status === 'draft' || status === 'rejected') return
  const members = core.join(', ')
  const message =
    status === 'pending-approval'
      ? `The application is pending-approval: ${members} cannot change until the review is over.`
      : `The application is ${status}: ${members} were reviewed. Send the new values to POST /applications/${application.id}/submit; the listing stays as it is until they are approved.`
  throw new StoaError('wrong_state', { message, details: { state: status, frozen: core } })
}

/**
 * The time of a change: now, and always later than the one before, so that `updatedTime` tells versions apart even when two
 * changes come in the same millisecond.
 */
export function nextTime(ctx: ApplicationsContext, { updatedTime }: Application): string {
  const now = nowIso(ctx.clock)
  return now > updatedTime ? now : new Date(Date.parse(updatedTime) + 1).toISOString()
}
