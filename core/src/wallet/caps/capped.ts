import { findApplication } from '../../applications/index.ts'
import type { Db } from '../../database/index.ts'
import type { Caller } from '../../http/index.ts'
import { findInstallation, isPresent, lockInstallation } from '../../installations/index.ts'
import { StoaError } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import type { Tenant } from '../tenant.ts'

/** An installation on a location, which is what a cap is about: only there anything is charged. */
export interface Capped extends Tenant {
  publisherId: string
}

/**
 * What the merchant's path names, locked when it is to be decided about. Throws `not_found` when the application is not installed
 * there, `wrong_state` for an organization's own installation.
 */
export async function findCapped(
  ctx: WalletContext,
  db: Db,
  caller: Caller,
  applicationId: string,
  { isLocked }: { isLocked: boolean },
): Promise<Capped> {
  const { organizationId, locationId, environment, onlyApplicationId } = caller
  if (onlyApplicationId !== null && onlyApplicationId !== applicationId) throw new StoaError('not_found')
  const at = { applicationId, organizationId, locationId, environment }
  const installation = isLocked ? await lockInstallation(db, ctx.dialect, at) : await findInstallation(db, at)
  if (!installation || !isPresent(installation)) throw new StoaError('not_found')
  if (locationId === null) {
    throw new StoaError('wrong_state', {
      message:
        'Caps are for installations on locations, where charges are made: put /organizations/{organizationId}/locations/{locationId} before the path.',
    })
  }
  return withPublisher(db, { applicationId, installationId: installation.id, organizationId, locationId, environment })
}

/** Throws `not_found` when the application is gone. */
export async function withPublisher(db: Db, tenant: Tenant): Promise<Capped> {
  const application = await findApplication(db, tenant.applicationId)
  if (!application) throw new StoaError('not_found')
  return { ...tenant, publisherId: application.publisherId }
}
