import { createHash, createHmac, createSecretKey, timingSafeEqual } from 'node:crypto'
import jwt from 'jsonwebtoken'
import { derive, StoaError } from '../kernel/index.ts'
import type { AuthorizeRequest } from './authorize-request.ts'
import type { OAuthContext } from './context.ts'

const type = 'consent+jwt'
const audience = 'stoa:consent'
/** Long enough to find a password and to read what is asked. */
const seconds = 30 * 60

/** What the pages are about: an application's request, or an installation's pending access. */
export type Errand = { request: AuthorizeRequest } | { installationId: string }

/**
 * Carries an errand through the pages, signed and bound to one browser, so that nothing has to be kept here for whoever never
 * comes back. It gives no right to anything: who may allow is asked of the person's session.
 */
export function signTicket(ctx: OAuthContext, errand: Errand, browser: string): string {
  const now = Math.floor(ctx.clock.now().getTime() / 1000)
  const claims = { errand, browser: digest(browser), iat: now, exp: now + seconds }
  return jwt.sign(claims, keyOf(ctx.config.secret), {
    algorithm: 'HS256',
    audience,
    issuer: ctx.config.baseUrl,
    header: { alg: 'HS256', typ: type },
  })
}

/** Throws `consent_expired` for a ticket that is too old, was changed, or belongs to another browser. */
export function readTicket(ctx: OAuthContext, ticket: string, browser: string | null): Errand {
  for (const secret of [ctx.config.secret, ...ctx.config.previousSecrets]) {
    try {
      const { header, payload } = jwt.verify(ticket, keyOf(secret), {
        algorithms: ['HS256'],
        audience,
        issuer: ctx.config.baseUrl,
        clockTimestamp: Math.floor(ctx.clock.now().getTime() / 1000),
        complete: true,
      })
      const claims = payload as { errand: Errand; browser: string }
      if (header.typ === type && browser !== null && isSame(claims.browser, digest(browser))) return claims.errand
    } catch {
      // The next key, or the refusal below.
    }
  }
  throw new StoaError('consent_expired')
}

/**
 * What a form has to bring back: only a page that this host made, for this browser, this person and this very form, holds it.
 * SameSite cookies alone would leave forms on sibling domains.
 */
export function formToken(ctx: OAuthContext, browser: string, ...bound: (string | number | null)[]): string {
  const key = derive(ctx.config.secret, 'stoa-form')
  return createHmac('sha256', key)
    .update(JSON.stringify([digest(browser), ...bound]))
    .digest('base64url')
}

/** Throws `consent_expired` when a form did not come from the page that it should have. */
export function assertFormToken(given: string | undefined, expected: string): void {
  if (given === undefined || !isSame(given, expected)) throw new StoaError('consent_expired')
}

// KeyObjects, because jsonwebtoken tries to parse any other secret as a PEM key first.
const keyOf = (secret: string) => createSecretKey(derive(secret, 'stoa-consent'))

const digest = (text: string) => createHash('sha256').update(text).digest('base64url')

function isSame(given: string, expected: string): boolean {
  const [a, b] = [given, expected].map((text) => createHash('sha256').update(text).digest())
  return timingSafeEqual(a!, b!)
}
