import { findLocation, findOrganization } from '../../accounts/index.ts'
import type { Environment } from '../../context.ts'
import type { Db } from '../../database/index.ts'
import type { Caller } from '../../http/index.ts'
import { invalidField } from '../../kernel/index.ts'
import { assertMayActIn } from '../assert-may-act-in.ts'
import type { NewAccount } from '../ledger/account.ts'

/** Whose wallet it is: a location's, or with `locationId` null the organization's own. */
export interface WalletOwner {
  organizationId: string
  locationId: string | null
}

/** The wallet that the owner has, or would have, in the environment and the currency. */
export function walletOf(
  { organizationId, locationId }: WalletOwner,
  { environment, currency }: { environment: Environment; currency: string },
): NewAccount {
  const owner =
    locationId === null
      ? { ownerType: 'organization' as const, ownerId: organizationId }
      : { ownerType: 'location' as const, ownerId: locationId }
  return { kind: 'wallet', ...owner, organizationId, environment, currency }
}

/** Of an account that is a wallet. */
export function ownerOfWallet({ ownerType, ownerId, organizationId }: NewAccount): WalletOwner {
  return { organizationId: organizationId!, locationId: ownerType === 'location' ? ownerId : null }
}

/** The owner that a body names by exactly one of the two. Throws `validation_failed`, or `not_found` when nobody has the id. */
export async function readOwner(
  db: Db,
  { organizationId, locationId }: { organizationId?: string | null; locationId?: string | null },
): Promise<WalletOwner> {
  if (organizationId && locationId)
    throw invalidField('locationId', 'cannot stand beside organizationId; name one wallet')
  if (locationId) {
    const location = await findLocation(db, locationId)
    if (!location) throw invalidField('locationId', 'no location has this id', 'not_found')
    return { organizationId: location.organizationId, locationId: location.id }
  }
  if (!organizationId) throw invalidField('organizationId', 'is required, or locationId')
  const organization = await findOrganization(db, organizationId)
  if (!organization) throw invalidField('organizationId', 'no organization has this id', 'not_found')
  return { organizationId: organization.id, locationId: null }
}

/** The environment that an operator names. Throws `rights_exceeded` for production by a sandbox credential. */
export function readEnvironment(caller: Caller, named: Environment | undefined): Environment {
  const environment = named ?? caller.environment
  assertMayActIn(caller, environment)
  return environment
}
