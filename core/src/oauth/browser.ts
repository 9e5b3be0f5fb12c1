import { createHash, randomBytes } from 'node:crypto'
import { findUser } from '../accounts/index.ts'
import type { Environment } from '../context.ts'
import type { Caller, RequestFacts } from '../http/index.ts'
import { StoaError } from '../kernel/index.ts'
import type { OAuthContext } from './context.ts'

/** Who looks at a page. */
export interface Person {
  userId: string
  name: string
  email: string
}

/** The random text that tells this browser from others: tickets and forms are bound to it. */
export function browserOf(ctx: OAuthContext, { headers }: RequestFacts): string | null {
  return cookie(headers, cookieName(ctx, 'browser'))
}

export function newBrowser(): string {
  return randomBytes(32).toString('base64url')
}

export function browserCookie(ctx: OAuthContext, value: string): string {
  return setCookie(ctx, 'browser', value, 24 * 3600)
}

export function sessionCookie(ctx: OAuthContext, token: string): string {
  return setCookie(ctx, 'session', token, ctx.config.tokens.sessionSeconds)
}

export function endSessionCookie(ctx: OAuthContext): string {
  return setCookie(ctx, 'session', '', 0)
}

/**
 * The person as a caller in an organization or one of its locations: by our own session cookie or, with the identity port, by
 * whatever that reads from the request. Null when nobody is signed in. Throws `not_found` for a scope that is not theirs.
 */
export async function callerFrom(
  ctx: OAuthContext,
  request: RequestFacts,
  scope: { organizationId: string | null; locationId: string | null },
  environment: Environment = 'production',
): Promise<Caller | null> {
  try {
    const headers = { ...request.headers, ...signInHeaders(ctx, request), 'x-environment': environment }
    const caller = await ctx.authenticate({ ...request, headers, ip: '', scope })
    return caller.kind === 'user' ? caller : null
  } catch (error) {
    if (error instanceof StoaError && error.status === 401) return null
    throw error
  }
}

export async function personFrom(ctx: OAuthContext, request: RequestFacts): Promise<Person | null> {
  const caller = await callerFrom(ctx, request, { organizationId: null, locationId: null })
  const user = caller?.userId ? await findUser(ctx.db, caller.userId) : null
  return user && { userId: user.id, name: user.name, email: user.email }
}

// A page is asked for by a browser, which has cookies: no other credential that it may carry counts.
function signInHeaders(ctx: OAuthContext, { headers }: RequestFacts): RequestFacts['headers'] {
  const none = { 'x-api-key': undefined, 'reb-apikey': undefined, dpop: undefined }
  if (ctx.identity) return none
  const session = cookie(headers, cookieName(ctx, 'session'))
  return { ...none, authorization: session === null ? undefined : `Bearer ${session}` }
}

/** `__Host-` keeps sibling domains from planting it (RFC 6265bis section 4.1.3.2); browsers take it over https alone. */
function cookieName({ config }: OAuthContext, name: string): string {
  const { protocol, pathname } = new URL(config.baseUrl)
  // Two hosts on one origin have cookies of their own.
  const host = pathname === '/' ? '' : `_${createHash('sha256').update(pathname).digest('hex').slice(0, 8)}`
  return `${protocol === 'https:' ? '__Host-' : ''}stoa_${name}${host}`
}

function setCookie(ctx: OAuthContext, name: string, value: string, seconds: number): string {
  const secure = ctx.config.baseUrl.startsWith('https:') ? '; Secure' : ''
  // Lax and not Strict: people come here by a link from the application.
  return `${cookieName(ctx, name)}=${value}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Lax${secure}`
}

function cookie(headers: RequestFacts['headers'], name: string): string | null {
  const text = typeof headers.cookie === 'string' ? headers.cookie : ''
  const values = text
    .split(';')
    .map((each) => each.trim().split('='))
    .filter(([key]) => key === name)
    .map(([, ...value]) => value.join('='))
  return values.length === 1 && values[0] !== '' ? values[0]! : null
}
