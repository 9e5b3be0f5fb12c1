import { createRemoteJWKSet, customFetch, errors, jwtVerify, type JWTPayload, type RemoteJWKSet } from 'jose'
import type { Environment } from '../tokens/index.ts'
import type { AuthorizationServer, Metadata } from './authorization-server.ts'
import type { AppContext } from './options.ts'
import { TokenRequestError } from './token-request-error.ts'

/** Who looks at a page of the app that is embedded in the host's. */
export interface AppUserContext {
  userId: string
  organizationId: string
  /** Null when the page is shown for the whole organization. */
  locationId: string | null
  /** The person's role there, as the host names it. */
  role: string | null
  environment: Environment
}

/** A context token that is not to be believed: forged, of another app or host, or older than its minute. */
export class InvalidContextError extends Error {
  readonly code = 'invalid_context'

  constructor(cause: unknown) {
    super('The context token is not valid; load the page again from the marketplace.', { cause })
    this.name = 'InvalidContextError'
  }
}

/**
 * Checks the host's one-minute tokens without asking the host: its public keys are kept for an hour, and fetched for an
 * unknown key id at most every half minute, so that nobody can make the app ask by inventing ids.
 */
export function createContextVerifier(app: AppContext, server: AuthorizationServer) {
  let known: { url: string; keys: RemoteJWKSet } | undefined

  function keysOf({ jwks_uri }: Metadata): RemoteJWKSet {
    if (jwks_uri === undefined) {
      throw new TokenRequestError('unexpected_response', null, 'The host publishes no keys.')
    }
    const url = new URL(jwks_uri)
    if (url.protocol !== 'https:' && !app.allowInsecureRequests) {
      throw new TokenRequestError('unexpected_response', null, 'The host publishes its keys on plain http.')
    }
    if (known?.url !== jwks_uri) {
      const keys = createRemoteJWKSet(url, {
        cacheMaxAge: 3_600_000,
        cooldownDuration: 30_000,
        [customFetch]: (address, init) => app.fetch(address, init),
      })
      known = { url: jwks_uri, keys }
    }
    return known.keys
  }

  return async (token: string): Promise<AppUserContext> => {
    const metadata = await server.metadata()
    const keys = keysOf(metadata)
    try {
      const { payload } = await jwtVerify(token, keys, {
        typ: 'context+jwt',
        algorithms: ['ES256'],
        issuer: metadata.issuer,
        audience: app.clientId,
        requiredClaims: ['exp', 'sub', 'companyId'],
        clockTolerance: 5,
        currentDate: app.now(),
      })
      return contextOf(payload)
    } catch (error) {
      if (isAboutKeys(error)) {
        throw new TokenRequestError('unreachable', null, 'The keys of the host could not be fetched.', { cause: error })
      }
      throw new InvalidContextError(error)
    }
  }
}

/** That the keys could not be had says nothing about the token. */
function isAboutKeys(error: unknown): boolean {
  if (error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid) return true
  // The general JOSEError is what jose throws for an answer other than 200; fetch itself throws no JOSEError at all.
  return error instanceof errors.JOSEError ? error.code === 'ERR_JOSE_GENERIC' : true
}

function contextOf(payload: JWTPayload): AppUserContext {
  const { sub, companyId, locationId, role, environment } = payload
  return {
    userId: String(sub),
    organizationId: String(companyId),
    locationId: typeof locationId === 'string' ? locationId : null,
    role: typeof role === 'string' ? role : null,
    environment: environment === 'sandbox' ? 'sandbox' : 'production',
  }
}
