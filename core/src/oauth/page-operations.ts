import { signIn, signOut } from '../accounts/index.ts'
import { defineOperation, reply, type Operation, type Reply, type RequestFacts } from '../http/index.ts'
import { Id, OneOf, StoaError, Type } from '../kernel/index.ts'
import { AuthorizeRefusal, readAuthorizeRequest } from './authorize-request.ts'
import {
  browserCookie,
  browserOf,
  callerFrom,
  endSessionCookie,
  newBrowser,
  personFrom,
  sessionCookie,
} from './browser.ts'
import { allow, consentToken, consentUrl, denialUrl, type ConsentVisit } from './consent.ts'
import type { OAuthContext } from './context.ts'
import { pageStyles } from './pages/styles.ts'
import { accessToken, decidePendingAccess, type AccessVisit } from './pending-access-page.ts'
import { withParameters } from './redirect-uri.ts'
import { askToSignIn, openVisit, redirect, show, showAgain } from './show-page.ts'
import { assertFormToken, formToken, signTicket, type Errand } from './ticket.ts'

const common = { surface: 'page', tag: 'OAuth pages', permission: null, transaction: false } as const
const Text = Type.Unsafe<string>({ type: 'string' })
const page = { 200: Text, 409: Text, 422: Text, 429: Text }
const away = { 303: Text }
const Ticket = Type.String({ maxLength: 16_000 })
const Csrf = Type.Optional(Type.String({ maxLength: 100 }))
const Many = (most: number) => Type.Array(Id(), { maxItems: most, default: [] })

/** The pages that people see: nothing here is for programs, so it is in no OpenAPI document. */
export function oauthPages(ctx: OAuthContext): Operation[] {
  return [
    defineOperation({
      ...common,
      id: 'showAuthorize',
      method: 'GET',
      path: '/oauth/authorize',
      aliases: ['/oauth/chooselocation', '/v2/oauth/chooselocation'],
      summary: 'Ask a person to let an application in (RFC 6749 section 4.1.1)',
      responses: { ...away, 200: Text },
      handler: async ({ db, request }) => {
        // Whoever only looks whether the address is there, as link scanners do, must not use a pushed request up.
        if (request.method === 'HEAD') return reply(200, '')
        try {
          const { request: asked } = await readAuthorizeRequest(ctx, db, request.search)
          return enter(ctx, request, { request: asked })
        } catch (error) {
          if (!(error instanceof AuthorizeRefusal)) throw error
          const { code, message, redirectUri, state, isTrusted } = error
          // Or anybody could register an address, and have this host's own lead there without a click (RFC 9700 section 4.11.2).
          if (!isTrusted) throw new StoaError('invalid_request', { message, cause: error })
          const told = { error: code, error_description: message, state, iss: ctx.config.baseUrl }
          return redirect(withParameters(redirectUri, told))
        }
      },
    }),
    defineOperation({
      ...common,
      id: 'showPendingAccess',
      method: 'GET',
      path: '/oauth/access/:installationId',
      summary: 'Ask a person to decide what an installed application may do beyond its grant',
      params: Type.Object({ installationId: Id() }),
      responses: away,
      handler: ({ params, request }) => Promise.resolve(enter(ctx, request, params)),
    }),
    defineOperation({
      ...common,
      id: 'showConsent',
      method: 'GET',
      path: '/oauth/consent',
      summary: 'The page on which a person decides',
      query: Type.Object({
        ticket: Ticket,
        organization: Type.Optional(Type.String({ maxLength: 50 })),
        q: Type.String({ maxLength: 100, default: '' }),
      }),
      responses: { ...page, ...away },
      handler: async ({ query, request }) => {
        const visit = openVisit(ctx, request, query.ticket)
        return show(ctx, visit, { organizationId: query.organization ?? null, search: query.q, problem: null })
      },
    }),
    defineOperation({
      ...common,
      id: 'decideConsent',
      method: 'POST',
      path: '/oauth/consent',
      summary: 'Allow or refuse',
      bodyKind: 'form',
      body: Type.Object({
        ticket: Ticket,
        csrf: Csrf,
        decision: OneOf(['allow', 'cancel', 'refuse']),
        version: Type.Integer({ minimum: 0 }),
        organization: Type.Optional(Type.String({ maxLength: 50 })),
        target: Type.Optional(OneOf(['organization', 'locations', 'all'])),
        location: Many(1000),
        future: Type.Optional(Type.String({ maxLength: 10 })),
        optional: Type.Array(Type.String({ maxLength: 100 }), { maxItems: 200, default: [] }),
        planId: Type.Optional(Type.String({ maxLength: 50 })),
      }),
      responses: { ...page, ...away },
      handler: async ({ body, request }) => {
        const visit = openVisit(ctx, request, body.ticket)
        const person = await personFrom(ctx, request)
        if (!person) return redirect(consentUrl(ctx, body.ticket))
        const details = { ...visit, person, problem: null }
        if ('installationId' in visit.errand) {
          const access: AccessVisit = { ...details, installationId: visit.errand.installationId }
          assertFormToken(body.csrf, accessToken(ctx, access, body.version))
          try {
            await decidePendingAccess(ctx, access, { version: body.version, allow: body.decision === 'allow' })
          } catch (error) {
            return showAgain(ctx, visit, { organizationId: '' }, error)
          }
          return redirect(consentUrl(ctx, body.ticket))
        }
        const organizationId = body.organization ?? ''
        const consent: ConsentVisit = { ...details, request: visit.errand.request, organizationId, search: '' }
        assertFormToken(body.csrf, consentToken(ctx, consent, organizationId, body.version))
        if (body.decision !== 'allow') return redirect(denialUrl(ctx, consent.request))
        const decision = {
          ...body,
          organization: organizationId,
          locations: body.location,
          future: body.future !== undefined,
        }
        try {
          return redirect(await allow(ctx, consent, decision))
        } catch (error) {
          const kept = { locations: body.location, optional: body.optional, planId: body.planId ?? null }
          return showAgain(ctx, visit, { organizationId, kept }, error)
        }
      },
    }),
    ...signInOperations(ctx),
    defineOperation({
      ...common,
      id: 'getPageStyles',
      method: 'GET',
      path: '/oauth/pages.css',
      summary: 'How the pages look',
      responses: { 200: Text },
      handler: () =>
        Promise.resolve(
          reply(200, pageStyles(ctx.config.pages.accentColor), {
            'Content-Type': 'text/css; charset=utf-8',
            'Cache-Control': 'public, max-age=3600',
          }),
        ),
    }),
  ]
}

function signInOperations(ctx: OAuthContext): Operation[] {
  return [
    defineOperation({
      ...common,
      id: 'signInOnPage',
      method: 'POST',
      path: '/oauth/sign-in',
      summary: 'Sign in to decide',
      bodyKind: 'form',
      body: Type.Object({
        ticket: Ticket,
        csrf: Csrf,
        email: Type.String({ maxLength: 254, default: '' }),
        password: Type.String({ maxLength: 200, default: '' }),
      }),
      responses: { ...page, ...away },
      handler: async ({ body, db, ip, request }) => {
        const visit = openVisit(ctx, request, body.ticket)
        assertFormToken(body.csrf, formToken(ctx, visit.browser, 'sign-in', body.ticket))
        // With the identity port there is no sign-in here at all.
        if (ctx.identity) throw new StoaError('not_found')
        try {
          const { token } = await signIn(ctx, db, body, ip)
          return redirect(consentUrl(ctx, body.ticket), { 'Set-Cookie': [sessionCookie(ctx, token)] })
        } catch (error) {
          if (!(error instanceof StoaError) || error.status >= 500) throw error
          const problem = error.code === 'rate_limited' ? 'Too many tries; wait a minute.' : error.message
          const status = error.code === 'rate_limited' ? 429 : 422
          return askToSignIn(ctx, visit, { status, email: body.email, problem })
        }
      },
    }),
    defineOperation({
      ...common,
      id: 'signOutOnPage',
      method: 'POST',
      path: '/oauth/sign-out',
      summary: 'Sign out, to decide as somebody else',
      bodyKind: 'form',
      body: Type.Object({ ticket: Ticket, csrf: Csrf }),
      responses: away,
      handler: async ({ body, db, request }) => {
        const { browser } = openVisit(ctx, request, body.ticket)
        const caller = await callerFrom(ctx, request, { organizationId: null, locationId: null })
        if (caller && !ctx.identity) {
          assertFormToken(body.csrf, formToken(ctx, browser, 'sign-out', caller.userId, body.ticket))
          await signOut(ctx, db, caller.credentialId)
        }
        return redirect(consentUrl(ctx, body.ticket), { 'Set-Cookie': [endSessionCookie(ctx)] })
      },
    }),
  ]
}

/** Begins an errand in this browser, and leads to the page about it. */
function enter(ctx: OAuthContext, facts: RequestFacts, errand: Errand): Reply<string> {
  const browser = browserOf(ctx, facts) ?? newBrowser()
  const ticket = signTicket(ctx, errand, browser)
  return redirect(consentUrl(ctx, ticket), { 'Set-Cookie': [browserCookie(ctx, browser)] })
}
