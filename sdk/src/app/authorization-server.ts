import { importJWK } from 'jose'
import * as oauth from 'oauth4webapi'
import type { Environment } from '../tokens/index.ts'
import type { AppContext } from './options.ts'
import { TokenRequestError } from './token-request-error.ts'

export type Metadata = oauth.AuthorizationServer
export type TokenAnswer = oauth.TokenEndpointResponse

/** The host's OAuth side, as far as an app talks to it. Everything throws TokenRequestError. */
export interface AuthorizationServer {
  readonly client: oauth.Client
  /** RFC 8414; fetched at first use and kept for an hour. */
  metadata(): Promise<Metadata>
  redeemCode(parameters: URLSearchParams, verifier: string): Promise<TokenAnswer>
  refresh(refreshToken: string): Promise<TokenAnswer>
  /** RFC 8693: an organization's token for one of a location in it. */
  exchange(companyToken: string, locationId: string): Promise<TokenAnswer>
  clientCredentials(environment: Environment): Promise<TokenAnswer>
}

/** Shorter than the lease of a lock, so that nobody else refreshes while we may still be doing it. */
const requestMilliseconds = 10_000
const metadataMilliseconds = 3_600_000

export function createAuthorizationServer(app: AppContext): AuthorizationServer {
  const client: oauth.Client = { client_id: app.clientId }
  const issuer = new URL(app.hostUrl)
  const options = {
    [oauth.allowInsecureRequests]: app.allowInsecureRequests,
    [oauth.customFetch]: (url: string, init: oauth.CustomFetchOptions<string, unknown>) =>
      app.fetch(url, init as RequestInit),
    signal: () => AbortSignal.timeout(requestMilliseconds),
  }
  let known: { metadata: Promise<Metadata>; until: number } | undefined
  let authentication: Promise<oauth.ClientAuth> | undefined

  function metadata(): Promise<Metadata> {
    if (known && known.until > performance.now()) return known.metadata
    const asked = { metadata: discover(), until: performance.now() + metadataMilliseconds }
    known = asked
    // A failure is not kept.
    asked.metadata.catch(() => known === asked && (known = undefined))
    return asked.metadata
  }

  function discover(): Promise<Metadata> {
    return explained(async () => {
      const response = await oauth.discoveryRequest(issuer, { ...options, algorithm: 'oauth2' })
      if (response.status !== 404 || issuer.pathname === '/') return oauth.processDiscoveryResponse(issuer, response)
      // RFC 8414 puts .well-known before the path, at the root, where a host that is mounted under a path in somebody
      // else's server has nothing to say; so it is looked for under that path as well.
      const own = await app.fetch(`${app.hostUrl}/.well-known/oauth-authorization-server`, {
        headers: { accept: 'application/json' },
        redirect: 'manual',
        signal: options.signal(),
      })
      return oauth.processDiscoveryResponse(issuer, own)
    })
  }

  /** One token request, from whom it is to what it answers. */
  function request(
    send: (server: Metadata, clientAuthentication: oauth.ClientAuth) => Promise<Response>,
    read: (server: Metadata, response: Response) => Promise<TokenAnswer>,
  ): Promise<TokenAnswer> {
    return explained(async () => {
      authentication ??= clientAuthenticationOf(app)
      const server = await metadata()
      return read(server, await send(server, await authentication))
    })
  }

  return {
    client,
    metadata,
    redeemCode: (parameters, verifier) =>
      request(
        (server, how) =>
          oauth.authorizationCodeGrantRequest(server, client, how, parameters, app.redirectUri, verifier, options),
        (server, response) => oauth.processAuthorizationCodeResponse(server, client, response),
      ),
    refresh: (refreshToken) =>
      request(
        (server, how) => oauth.refreshTokenGrantRequest(server, client, how, refreshToken, options),
        (server, response) => oauth.processRefreshTokenResponse(server, client, response),
      ),
    exchange: (companyToken, locationId) =>
      request(
        (server, how) =>
          oauth.genericTokenEndpointRequest(
            server,
            client,
            how,
            'urn:ietf:params:oauth:grant-type:token-exchange',
            {
              subject_token: companyToken,
              subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
              location_id: locationId,
            },
            options,
          ),
        (server, response) => oauth.processGenericTokenEndpointResponse(server, client, response),
      ),
    clientCredentials: (environment) =>
      request(
        (server, how) => oauth.clientCredentialsGrantRequest(server, client, how, { environment }, options),
        (server, response) => oauth.processClientCredentialsResponse(server, client, response),
      ),
  }
}

async function clientAuthenticationOf(app: AppContext): Promise<oauth.ClientAuth> {
  if (app.privateKey) {
    const key = await importJWK(app.privateKey)
    if (key instanceof Uint8Array) throw new TypeError('privateKey is not an asymmetric key.')
    return oauth.PrivateKeyJwt({ key, kid: app.privateKey.kid })
  }
  if (app.clientSecret === undefined) return oauth.None()
  return app.clientAuthentication === 'client_secret_post'
    ? oauth.ClientSecretPost(app.clientSecret)
    : oauth.ClientSecretBasic(app.clientSecret)
}

/** Says what a failure was in one kind of error, so that callers need not know those of the library and of fetch. */
async function explained<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof TokenRequestError) throw error
    if (error instanceof oauth.ResponseBodyError) {
      const { error: said, error_description: description = '', status } = error
      // RFC 6749 has no code for it: the same refresh token works again later.
      const isOff = said === 'invalid_grant' && (error.cause as { reason?: unknown }).reason === 'not_active'
      const message = `The host gave no token (${description ? `${said}: ${description}` : said}).`
      throw new TokenRequestError(isOff ? 'not_active' : said, status, message, { cause: error })
    }
    if (error instanceof oauth.WWWAuthenticateChallengeError) {
      const message = 'The host does not take the credentials of the app: check clientId and clientSecret.'
      throw new TokenRequestError('invalid_client', error.status, message, { cause: error })
    }
    if (error instanceof oauth.OperationProcessingError || error instanceof oauth.UnsupportedOperationError) {
      const status = error.cause instanceof Response ? error.cause.status : null
      const message = `The host answered something unexpected (${status === null ? error.message : `HTTP ${status}`}).`
      throw new TokenRequestError('unexpected_response', status, message, { cause: error })
    }
    if (isUnreachable(error)) {
      throw new TokenRequestError('unreachable', null, 'The host could not be reached.', { cause: error })
    }
    throw error
  }
}

/** fetch rejects with the abort of the timeout, or with a TypeError; one with a code is the library's, for a bad argument. */
function isUnreachable(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return /^(Timeout|Abort)Error$/.test(error.name) || (error instanceof TypeError && !('code' in error))
}
