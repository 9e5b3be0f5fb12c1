import { isDeepStrictEqual } from 'node:util'
import { revokeApplicationTokens } from '../access/index.ts'
import type { Db } from '../database/index.ts'
import type { Caller } from '../http/index.ts'
import { nowIso, StoaError } from '../kernel/index.ts'
import { coreMembers, type Application, type ApplicationChanges, type CoreMembers } from './application.ts'
import { checkChanges, normaliseInput, type ApplicationInput } from './check-application.ts'
import type { ApplicationsContext } from './context.ts'
import { ownedApplication } from './find-application.ts'
import { assertNameFree, refusingTakenName } from './register-application.ts'
import { findApplication, updateApplication } from './store.ts'

/**
 * Changes an application of the caller's organization; both surfaces come here.
 *
 * Cosmetic members change at once in every state. Core members (permissions, properties, configurationUrl, redirectUri) are
 * what a reviewer vouches for: they change freely in a draft and after a rejection, are frozen while the listing waits for
 * approval, and of an approved listing (available, disabled) they are never changed here but refused with `wrong_state`:
 * they go to `POST /applications/{id}/submit`, which keeps them as a revision until a reviewer approves it, while the
 * approved listing stays in the store as it is. What is sent unchanged is no change. A refused edit changes nothing.
 * Switching the client off ends the tokens of all installations in the same transaction.
 */
export async function editApplication(
  ctx: ApplicationsContext,
  db: Db,
  caller: Caller,
  id: string,
  input: ApplicationInput,
): Promise<Application> {
  const application = await ownedApplication(db, caller, id)
  const changes = changesOf(application, normaliseInput(input))
  if (Object.keys(changes).length === 0) return application
  assertEditable(application, Object.keys(coreChangesOf(changes)))
  await checkChanges(ctx, db, caller, changes)
  if (changes.name !== undefined) await assertNameFree(db, application.publisherId, changes.name, id)
  const updated = await refusingTakenName(() =>
    updateApplication(db, application, changes, { updatedTime: nextTime(ctx, application) }),
  )
  if (!updated) throw await overtaken(db, id)
  if (changes.clientStatus === 'DISABLED') await revokeApplicationTokens(ctx, db, id)
  return (await findApplication(db, id))!
}

/** The members whose value would become another one. */
export function changesOf(application: Application, given: ApplicationChanges): ApplicationChanges {
  return Object.fromEntries(
    Object.entries(given).filter(
      ([member, value]) => !isDeepStrictEqual(value, application[member as keyof Application]),
    ),
  ) as ApplicationChanges
}

export function coreChangesOf(changes: ApplicationChanges): Partial<CoreMembers> {
  const core = coreMembers.filter((member) => changes[member] !== undefined)
  return Object.fromEntries(core.map((member) => [member, changes[member]])) as Partial<CoreMembers>
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

/** Somebody else changed the application between reading and writing. Says its present state. */
export async function overtaken(db: Db, id: string): Promise<StoaError> {
  const present = await findApplication(db, id)
  if (!present) return new StoaError('not_found')
  const message = `The application was changed meanwhile and is ${present.status} now; read it again.`
  return new StoaError('wrong_state', { message, details: { state: present.status } })
}
