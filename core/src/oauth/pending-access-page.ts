import { findLocation, findOrganization } from '../accounts/index.ts'
import { findApplication } from '../applications/index.ts'
import { inTransaction } from '../database/index.ts'
import type { Caller, Html, RequestFacts } from '../http/index.ts'
import {
  accessRequestOf,
  approveAccess,
  findInstallationById,
  isPresent,
  refuseAccess,
  type Installation,
} from '../installations/index.ts'
import { StoaError } from '../kernel/index.ts'
import { callerFrom, type Person } from './browser.ts'
import type { OAuthContext } from './context.ts'
import { accessPage } from './pages/access-page.ts'
import { formToken } from './ticket.ts'

export interface AccessVisit {
  installationId: string
  person: Person
  facts: RequestFacts
  ticket: string
  browser: string
  problem: string | null
}

/** The page on which a merchant decides about what an installed application asks for since its last version. */
export async function showPendingAccess(ctx: OAuthContext, visit: AccessVisit): Promise<{ title: string; main: Html }> {
  const { installation } = await decidable(ctx, visit)
  const application = await findApplication(ctx.db, installation.applicationId)
  if (!application) throw new StoaError('not_found')
  const access = accessRequestOf(ctx, application, installation)
  const named = (names: string[]) => names.map((name) => ctx.catalogue.find(name)).filter((each) => each !== null)
  const main = accessPage({
    applicationName: application.name,
    placeName: await placeName(ctx, installation),
    granted: named(access.granted),
    pending: named(access.missing),
    problem: visit.problem,
    action: `${ctx.config.baseUrl}/oauth/consent`,
    hidden: { ticket: visit.ticket, csrf: accessToken(ctx, visit, access.version), version: access.version },
  })
  return { title: `${application.name} asks for more`, main }
}

export async function decidePendingAccess(
  ctx: OAuthContext,
  visit: AccessVisit,
  { version, allow }: { version: number; allow: boolean },
): Promise<void> {
  const { caller, installation } = await decidable(ctx, visit)
  const decide = allow ? approveAccess : refuseAccess
  await inTransaction(ctx.db, (trx) => decide(ctx, trx, caller, installation.applicationId, { version }))
}

/** What the form must bring back. */
export function accessToken(ctx: OAuthContext, visit: AccessVisit, version: number): string {
  return formToken(ctx, visit.browser, 'access', visit.person.userId, visit.ticket, version)
}

/** The installation, for somebody who may decide about it; for everybody else it does not exist. */
async function decidable(
  ctx: OAuthContext,
  { installationId, facts }: AccessVisit,
): Promise<{ installation: Installation; caller: Caller }> {
  const installation = await findInstallationById(ctx.db, installationId)
  if (!installation || !isPresent(installation)) throw new StoaError('not_found')
  const { organizationId, locationId, environment } = installation
  const caller = await callerFrom(ctx, facts, { organizationId, locationId }, environment)
  if (!caller?.permissions.has('instances:grant')) throw new StoaError('not_found')
  return { installation, caller }
}

async function placeName(ctx: OAuthContext, { organizationId, locationId }: Installation): Promise<string> {
  const place =
    locationId === null ? await findOrganization(ctx.db, organizationId) : await findLocation(ctx.db, locationId)
  return place?.name ?? ''
}
