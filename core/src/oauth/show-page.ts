import { findApplicationByClientId } from '../applications/index.ts'
import { html, pageHeaders, renderPage, reply, type Html, type Reply, type RequestFacts } from '../http/index.ts'
import { StoaError } from '../kernel/index.ts'
import { browserOf, personFrom } from './browser.ts'
import { consentUrl, showConsent, type Kept } from './consent.ts'
import type { OAuthContext } from './context.ts'
import { signInPage } from './pages/sign-in-page.ts'
import { showPendingAccess } from './pending-access-page.ts'
import { withParameters } from './redirect-uri.ts'
import { formToken, readTicket, type Errand } from './ticket.ts'

/** A page that is asked for with a ticket, by the browser that it was made for. */
export interface Visit {
  errand: Errand
  ticket: string
  browser: string
  facts: RequestFacts
}

/** Throws `consent_expired` when the ticket is too old, or another browser's. */
export function openVisit(ctx: OAuthContext, facts: RequestFacts, ticket: string): Visit {
  const browser = browserOf(ctx, facts)
  return { errand: readTicket(ctx, ticket, browser), ticket, browser: browser ?? '', facts }
}

export interface Shown {
  organizationId: string | null
  search: string
  problem: string | null
  /** What was ticked on a page that could not be taken as it was. */
  kept?: Kept
}

/** The page for this visit: signing in first, then what is to be decided. */
export async function show(ctx: OAuthContext, visit: Visit, shown: Shown, status = 200): Promise<Reply<string>> {
  const person = await personFrom(ctx, visit.facts)
  if (!person) return askToSignIn(ctx, visit, { status: 200, email: '', problem: null })
  const { errand } = visit
  if ('installationId' in errand) {
    const access = { ...visit, person, installationId: errand.installationId, problem: shown.problem }
    return pageReply(ctx, status, await showPendingAccess(ctx, access))
  }
  const consent = { ...visit, ...shown, person, request: errand.request }
  return pageReply(ctx, status, await showConsent(ctx, consent), true)
}

const recoverable = new Set([
  'wrong_state',
  'rights_exceeded',
  'missing_permission',
  'application_unavailable',
  'invalid_request',
  'validation_failed',
  'unknown_permission',
  'plan_required',
  'plan_not_found',
  'insufficient_funds',
  'wallet_suspended',
])

/** The consent page again, with what was wrong with the decision; anything else stays the error it is. */
export async function showAgain(
  ctx: OAuthContext,
  visit: Visit,
  { organizationId, kept }: { organizationId: string; kept?: Kept },
  error: unknown,
): Promise<Reply<string>> {
  if (!(error instanceof StoaError) || !recoverable.has(error.code)) throw error
  const isOutdated = error.code === 'wrong_state'
  const problem = isOutdated
    ? 'What the application asks for has changed since you opened this page; please look again.'
    : error.message
  return show(ctx, visit, { organizationId, search: '', problem, ...(kept && { kept }) }, isOutdated ? 409 : 422)
}

/** Our own sign-in page; the embedder's, when they filled the identity port. */
export async function askToSignIn(
  ctx: OAuthContext,
  { errand, ticket, browser }: Visit,
  { status, email, problem }: { status: number; email: string; problem: string | null },
): Promise<Reply<string>> {
  const { signInUrl } = ctx.config.pages
  if (ctx.identity && signInUrl) return redirect(withParameters(signInUrl, { return_to: consentUrl(ctx, ticket) }))
  if (ctx.identity) {
    const main = html`<h1>Sign in first</h1>
      <p>Sign in to ${ctx.config.name}, then <a href="${consentUrl(ctx, ticket)}">go on</a>.</p>`
    return pageReply(ctx, 200, { title: 'Sign in', main })
  }
  const application = 'request' in errand ? await findApplicationByClientId(ctx.db, errand.request.clientId) : null
  const main = signInPage({
    applicationName: application?.name ?? null,
    action: `${ctx.config.baseUrl}/oauth/sign-in`,
    ticket,
    csrf: formToken(ctx, browser, 'sign-in', ticket),
    email,
    problem,
  })
  return pageReply(ctx, status, { title: 'Sign in', main })
}

/** 303, so that the browser asks with GET and sends no form on (RFC 9700 section 4.12). */
export function redirect(location: string, headers: Record<string, string[]> = {}): Reply<string> {
  return reply(303, '', { Location: location, 'Referrer-Policy': 'no-referrer', ...headers })
}

function pageReply(
  ctx: OAuthContext,
  status: number,
  page: { title: string; main: Html },
  leaves = false,
): Reply<string> {
  return reply(status, renderPage(ctx.config, page), pageHeaders(ctx.config, { leaves }))
}
