import {
  findLocation,
  findOrganization,
  listLocations,
  listOrganizationsOf,
  searchLocations,
  type Organization,
} from '../accounts/index.ts'
import { findApplicationByClientId, type Application } from '../applications/index.ts'
import { inTransaction } from '../database/index.ts'
import { html, type Caller, type Html, type Permission, type RequestFacts } from '../http/index.ts'
import {
  accessRequestOf,
  findInstallation,
  installWithConsent,
  isPresent,
  type FanOut,
} from '../installations/index.ts'
import { StoaError } from '../kernel/index.ts'
import { findActivePlans } from '../wallet/index.ts'
import type { AuthorizeRequest } from './authorize-request.ts'
import { callerFrom, type Person } from './browser.ts'
import type { OAuthContext } from './context.ts'
import { issueCode } from './issue-code.ts'
import { consentPage } from './pages/consent-page.ts'
import { organizationsPage } from './pages/organizations-page.ts'
import { isRegistered, withParameters } from './redirect-uri.ts'
import { permissionsIn } from './scope.ts'
import { formToken } from './ticket.ts'

/** More than this nobody ticks one by one: the page has a search, and "all". */
const mostLocations = 100

export interface ConsentVisit {
  request: AuthorizeRequest
  person: Person
  facts: RequestFacts
  ticket: string
  browser: string
  organizationId: string | null
  search: string
  /** Something that went wrong with what was sent before. */
  problem: string | null
  kept?: Kept | undefined
}

/** What was ticked on a page that is shown again. */
export interface Kept {
  locations: string[]
  optional: string[]
  planId: string | null
}

/** What to show to a person who is signed in: the choice of an organization, or the page on which they decide. */
export async function showConsent(ctx: OAuthContext, visit: ConsentVisit): Promise<{ title: string; main: Html }> {
  const { request, person, facts, organizationId } = visit
  const application = await applicationOf(ctx, request)
  const organizations = await installableFor(ctx, person)
  const only = organizations.length === 1 ? organizations[0] : undefined
  const hinted = request.locationId === null ? null : await findLocation(ctx.db, request.locationId)
  const wanted = organizationId ?? hinted?.organizationId
  const organization = organizations.find(({ id }) => id === wanted) ?? only
  const title = `Allow ${application.name}`
  if (organizations.length === 0) return { title, main: nowhere(ctx, application, visit) }
  if (!organization) {
    const urls = organizations.map(({ id, name }) => ({ name, url: consentUrl(ctx, visit.ticket, id) }))
    return { title, main: organizationsPage({ applicationName: application.name, organizations: urls }) }
  }
  const scope = { organizationId: organization.id, locationId: null }
  const caller = await callerFrom(ctx, facts, scope, request.environment)
  if (!caller) throw new StoaError('consent_expired')
  const main = await decision(ctx, visit, { application, organization, caller, several: organizations.length > 1 })
  return { title, main }
}

export interface Decision {
  organization: string
  version: number
  target?: 'organization' | 'locations' | 'all' | undefined
  locations: string[]
  future: boolean
  optional: string[]
  planId?: string | undefined
}

/** Carries a decision to allow out: installs, or widens what is installed, and answers where to send the browser. */
export async function allow(
  ctx: OAuthContext,
  { request, person, facts }: Pick<ConsentVisit, 'request' | 'person' | 'facts'>,
  decision: Decision,
): Promise<string> {
  const application = await applicationOf(ctx, request)
  const { locationId, fanOut } = placeOf(application, decision)
  const scope = { organizationId: decision.organization, locationId }
  const caller = await callerFrom(ctx, facts, scope, request.environment)
  if (!caller) throw new StoaError('consent_expired')
  const { version, optional, planId = null } = decision
  const consent = { applicationId: application.id, version, optional, planId }
  const code = await inTransaction(ctx.db, async (trx) => {
    const installed = await installWithConsent(ctx, trx, caller, consent, fanOut)
    const { installation } = installed
    return issueCode(ctx, trx, installation, { application: installed.application, request, userId: person.userId })
  })
  return withParameters(request.redirectUri, { code, state: request.state, iss: ctx.config.baseUrl })
}

/** Where to send the browser of somebody who said no. */
export function denialUrl(ctx: OAuthContext, request: AuthorizeRequest): string {
  return withParameters(request.redirectUri, {
    error: 'access_denied',
    error_description: 'The person did not allow it.',
    state: request.state,
    iss: ctx.config.baseUrl,
  })
}

export function consentUrl(ctx: OAuthContext, ticket: string, organizationId?: string): string {
  const query = new URLSearchParams({ ticket, ...(organizationId !== undefined && { organization: organizationId }) })
  return `${ctx.config.baseUrl}/oauth/consent?${query.toString()}`
}

/** The token that the consent form must bring back: it names who decides, for whom, about which version. */
export function consentToken(
  ctx: OAuthContext,
  visit: Pick<ConsentVisit, 'browser' | 'person' | 'ticket'>,
  organizationId: string,
  version: number,
): string {
  return formToken(ctx, visit.browser, 'consent', visit.person.userId, visit.ticket, organizationId, version)
}

/** The application as it is now: while somebody read, it may have been deleted or have lost the address to return to. */
async function applicationOf(ctx: OAuthContext, request: AuthorizeRequest): Promise<Application> {
  const application = await findApplicationByClientId(ctx.db, request.clientId)
  if (!application || !isRegistered(application, request.redirectUri)) throw new StoaError('consent_expired')
  return application
}

async function installableFor(ctx: OAuthContext, { userId }: Person): Promise<Organization[]> {
  const all = await listOrganizationsOf(ctx.db, userId)
  return all.filter(({ role }) => ctx.catalogue.ofRole(role).has('instances:install'))
}

// One location is an installation of its own; several, all or future ones are the organization's, passed on to them.
function placeOf(
  { installsOn }: Application,
  { target, locations, future }: Decision,
): { locationId: string | null; fanOut: FanOut | null } {
  // Ticked boxes under another choice: nobody knows what was meant.
  if (target === 'organization' && installsOn === 'any' && (locations.length > 0 || future)) {
    throw new StoaError('invalid_request', { message: 'Choose the organization as a whole, or locations; not both.' })
  }
  if (installsOn === 'organization' || (target === 'organization' && installsOn === 'any')) {
    return { locationId: null, fanOut: null }
  }
  if (target === undefined) throw new StoaError('invalid_request', { message: 'Choose where it works.' })
  if (target === 'all') return { locationId: null, fanOut: { locations: 'all', future } }
  const [first, ...more] = locations
  if (first === undefined && !future) {
    throw new StoaError('invalid_request', { message: 'Choose at least one location.' })
  }
  if (first !== undefined && more.length === 0 && !future) return { locationId: first, fanOut: null }
  return { locationId: null, fanOut: { locations, future } }
}

interface Deciding {
  application: Application
  organization: Organization
  caller: Caller
  several: boolean
}

async function decision(ctx: OAuthContext, visit: ConsentVisit, about: Deciding): Promise<Html> {
  const { request, person, ticket } = visit
  const { application, organization, caller } = about
  const place = { organizationId: organization.id, locationId: null, environment: request.environment }
  const installation = await findInstallation(ctx.db, { applicationId: application.id, ...place })
  const present = installation && isPresent(installation) ? installation : null
  const access = accessRequestOf(ctx, application, present)
  const named = (names: string[]) => names.map((name) => ctx.catalogue.find(name)).filter((each) => each !== null)
  // Nothing is ticked that the application did not ask for by name.
  const requested = new Set(request.isScopeGiven ? permissionsIn(ctx.catalogue, request.scope) : [])
  const { items, total } = await searchLocations(ctx.db, organization.id, visit.search, mostLocations)
  const publisher = await findOrganization(ctx.db, application.publisherId)
  const { logoId } = application
  return consentPage({
    person,
    signOut: signOutForm(ctx, visit),
    application,
    publisherName: publisher?.name ?? '',
    logoUrl: logoId === null ? null : `${ctx.config.baseUrl}/files/${logoId}/download`,
    organization,
    otherOrganizations: about.several,
    environment: request.environment,
    required: named(access.required),
    optional: named(access.optional.filter((name) => !access.granted.includes(name))),
    granted: named(access.optional.filter((name) => access.granted.includes(name))),
    chosen: visit.kept ? new Set(visit.kept.optional) : requested,
    prices: await ctx.pricesOf(ctx.db, application.id),
    plans: await findActivePlans(ctx.db, application.id),
    planId: visit.kept?.planId ?? null,
    places:
      application.installsOn === 'any'
        ? 'either'
        : application.installsOn === 'organization'
          ? 'organization'
          : 'locations',
    locations: {
      items,
      total,
      search: visit.search,
      chosen: visit.kept ? new Set(visit.kept.locations) : await preselected(ctx, organization, request, items),
    },
    lacking: lackingOf(named(access.required), caller),
    problem: visit.problem ?? unavailability(application, caller),
    urls: { consent: `${ctx.config.baseUrl}/oauth/consent`, chooseOrganization: consentUrl(ctx, ticket, '-') },
    hidden: {
      ticket,
      csrf: consentToken(ctx, visit, organization.id, access.version),
      organization: organization.id,
      version: access.version,
    },
  })
}

// Permissions that no role has belong to the embedder's own API: nobody could ever grant them otherwise.
function lackingOf(required: Permission[], caller: Caller): string[] {
  return required
    .filter(({ name, roles }) => roles.length > 0 && !caller.permissions.has(name))
    .map(({ sentence }) => sentence)
}

function unavailability(application: Application, caller: Caller): string | null {
  if (application.status === 'available') return null
  const isTrial = application.publisherId === caller.organizationId && caller.environment === 'sandbox'
  return isTrial
    ? null
    : 'This application is not available in the store, so it can only be used where it is installed.'
}

async function preselected(
  ctx: OAuthContext,
  organization: Organization,
  { locationId }: AuthorizeRequest,
  shown: { id: string }[],
): Promise<Set<string>> {
  if (locationId !== null) {
    const suggested = await findLocation(ctx.db, locationId)
    if (suggested?.organizationId === organization.id) return new Set([locationId])
  }
  const { total } = await listLocations(ctx.db, organization.id, null, { limit: 1, offset: 0 })
  return new Set(total === 1 ? shown.map(({ id }) => id) : [])
}

function signOutForm(ctx: OAuthContext, { ticket, browser, person }: ConsentVisit): Html | null {
  if (ctx.identity) return null
  return html`<form class="signout" method="post" action="${ctx.config.baseUrl}/oauth/sign-out">
    <input type="hidden" name="ticket" value="${ticket}" />
    <input type="hidden" name="csrf" value="${formToken(ctx, browser, 'sign-out', person.userId, ticket)}" />
    <button class="link faint">Not you? Sign out</button>
  </form>`
}

function nowhere(ctx: OAuthContext, application: Application, visit: ConsentVisit): Html {
  const { person, request } = visit
  return html`<h1>${application.name} cannot be installed by you</h1>
    <p>${person.name} (${person.email}) may not install applications in any organization. Ask an owner to do it.</p>
    ${signOutForm(ctx, visit)}
    <div class="buttons">
      <a class="button" href="${denialUrl(ctx, request)}">Back to ${application.name}</a>
    </div>`
}
