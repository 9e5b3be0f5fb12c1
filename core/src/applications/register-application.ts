import { randomBytes } from 'node:crypto'
import { afterCommit, isUniqueViolation, type Db } from '../database/index.ts'
import type { Caller } from '../http/index.ts'
import { newId, nowIso, StoaError } from '../kernel/index.ts'
import type { Application } from './application.ts'
import { addClientSecret } from './client-secrets.ts'
import { checkChanges, coreDefaults, normaliseInput, type ApplicationInput } from './check-application.ts'
import type { ApplicationsContext } from './context.ts'
import { recordStep } from './record-step.ts'
import { findApplication, insertApplication, isNameTaken } from './store.ts'
import { takeSnapshot } from './take-snapshot.ts'

export interface Registration {
  input: ApplicationInput & { name: string }
  /** Rebilly's store registers and submits in one step; Baloom's author surface begins with a draft. */
  status: 'draft' | 'pending-approval'
  /** Whether a confidential client gets its secret now; without one it gets it when it first rotates. Others never have one. */
  withSecret: boolean
}

/**
 * Registers an application of the caller's organization, with a listing and a client.
 * Throws `name_taken`, and 422 naming the member that was refused.
 */
export async function registerApplication(
  ctx: ApplicationsContext,
  db: Db,
  caller: Caller,
  { input, status, withSecret }: Registration,
): Promise<{ application: Application; clientSecret: string | null }> {
  // A key of one application is no key to others, and would have no right to the one it made.
  if (caller.onlyApplicationId !== null) {
    throw new StoaError('caller_not_allowed', { message: 'An application’s own API key cannot register applications.' })
  }
  const given = normaliseInput(input)
  await checkChanges(ctx, db, caller, given, coreDefaults)
  const name = given.name ?? ''
  await assertNameFree(db, caller.organizationId, name, null)

  const id = newId('app')
  const createdTime = nowIso(ctx.clock)
  await refusingTakenName(() =>
    insertApplication(db, {
      id,
      publisherId: caller.organizationId,
      createdBy: caller.userId,
      authorName: null,
      tagline: null,
      description: null,
      logoId: null,
      authorLogoId: null,
      website: null,
      ...coreDefaults,
      requiresDpop: false,
      jwks: null,
      version: 0,
      acknowledges: false,
      rateLimit: null,
      clientStatus: 'ACTIVE',
      ...given,
      name,
      status,
      clientId: `${id}-${randomBytes(4).toString('hex')}`,
      createdTime,
    }),
  )
  const application = (await findApplication(db, id))!
  const hasSecret = withSecret && application.clientType === 'confidential'
  const clientSecret = hasSecret ? (await addClientSecret(ctx, db, id)).secret : null
  if (status === 'draft') {
    await recordStep(ctx, db, caller, application, { action: 'created', from: null, reason: null })
  } else {
    const version = await takeSnapshot(ctx, db, caller, application, { submittedTime: createdTime })
    const step = { action: 'submitted', from: null, reason: null, version: version.number } as const
    await recordStep(ctx, db, caller, application, step)
  }
  afterCommit(db, () => {
    ctx.lifecycle.emit('application.created', { applicationId: id, publisherId: application.publisherId })
  })
  return { application, clientSecret }
}

/** Throws `name_taken` when the publisher has another application of that name, whatever the case. */
export async function assertNameFree(
  db: Db,
  publisherId: string,
  name: string,
  exceptId: string | null,
): Promise<void> {
  if (await isNameTaken(db, publisherId, name, exceptId)) throw nameTaken()
}

/** Two at once pass the look-up; then the unique index decides. */
export async function refusingTakenName<T>(write: () => Promise<T>): Promise<T> {
  try {
    return await write()
  } catch (error) {
    throw isUniqueViolation(error) ? nameTaken() : error
  }
}

function nameTaken(): StoaError {
  return new StoaError('name_taken', {
    invalidFields: [{ field: 'name', message: 'is taken by another of your applications' }],
  })
}
