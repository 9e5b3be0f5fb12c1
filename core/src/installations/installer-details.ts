import { createHash } from 'node:crypto'
import { findOrganization, ownerOf } from '../accounts/index.ts'
import type { Db } from '../database/index.ts'
import type { Caller } from '../http/index.ts'
import { StoaError } from '../kernel/index.ts'
import type { InstallationsContext } from './context.ts'
import { locateInstallation } from './locate.ts'

/**
 * HighLevel's installer details for the application whose token asks. Persons and plans of the company stay unnamed for an
 * installation on a location: its people do not speak for the company. There are no company plans here, so those are null.
 */
export async function readInstallerDetails(ctx: InstallationsContext, db: Db, caller: Caller, applicationId: string) {
  const { installation } = await locateInstallation(db, caller, applicationId)
  const { organizationId, locationId, installedBy } = installation
  const organization = await findOrganization(db, organizationId)
  if (!organization) throw new StoaError('not_found')
  const owner = await ownerOf(db, organizationId)
  const isWhole = locationId === null
  const plan = await ctx.planOf(db, installation.id)
  return {
    installationDetails: {
      companyId: organizationId,
      ...(locationId !== null && { locationId }),
      companyName: organization.name,
      relationshipNumber: relationshipNumber(organizationId),
      companyEmail: isWhole ? organization.email : null,
      companyOwnerFullName: isWhole ? (owner?.name ?? null) : null,
      // The contract wants text; a key that belongs to no person installed it otherwise.
      userId: installedBy ?? owner?.id ?? '',
      isWhitelabelCompany: false,
      companyPlan: null,
      companyHighLevelPlan: null,
      ...(plan !== null && { marketplaceAppPlanId: plan.planId }),
    },
  }
}

/** HighLevel's customer number, `0-123-456`: required there, unknown here, so made of the id and always the same. */
function relationshipNumber(organizationId: string): string {
  const digits = String(createHash('sha256').update(organizationId).digest().readUInt32BE() % 1_000_000)
  const padded = digits.padStart(6, '0')
  return `0-${padded.slice(0, 3)}-${padded.slice(3)}`
}
