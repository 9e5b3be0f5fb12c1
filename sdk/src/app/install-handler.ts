import type { IncomingMessage, ServerResponse } from 'node:http'
import * as oauth from 'oauth4webapi'
import type { AuthorizationServer } from './authorization-server.ts'
import { handlerOf, queryOf, redirect, type AppHandler } from './handler.ts'
import { InstallError } from './install-error.ts'
import type { InstallCookie } from './install-cookie.ts'
import type { AppContext } from './options.ts'
import { showError, type OnInstallError } from './show-error.ts'
import { TokenRequestError } from './token-request-error.ts'

export interface InstallOptions<Req, Res> {
  /** Suggested to the customer on the host's page; `?locationId=` of the request says the same. */
  locationId?: string
  /** Where to install; `?environment=` of the request says the same. Default `production`. */
  environment?: 'production' | 'sandbox'
  /** Answers in place of the page when the host cannot be reached. */
  onError?: OnInstallError<Req, Res>
}

/** Sends the browser to the host's consent page. */
export function installHandler<Req extends IncomingMessage, Res extends ServerResponse>(
  app: AppContext,
  server: AuthorizationServer,
  cookie: InstallCookie,
  options: InstallOptions<Req, Res>,
): AppHandler<Req, Res> {
  return handlerOf(async (req, res) => {
    const state = oauth.generateRandomState()
    const verifier = oauth.generateRandomCodeVerifier()
    const query = queryOf(req)
    const locationId = options.locationId ?? query.get('locationId')
    const environment = options.environment ?? (query.get('environment') === 'sandbox' ? 'sandbox' : 'production')
    let url: URL
    try {
      url = new URL(endpointOf(await server.metadata()))
    } catch (cause) {
      if (!(cause instanceof TokenRequestError)) throw cause
      const error = new InstallError('unavailable', 'The marketplace cannot be reached. Try again later.', { cause })
      return showError(options.onError, error, req, res)
    }
    const parameters = {
      response_type: 'code',
      client_id: app.clientId,
      redirect_uri: app.redirectUri,
      scope: app.scopes?.join(' '),
      state,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      location_id: locationId,
      environment,
    }
    for (const [name, value] of Object.entries(parameters)) if (value) url.searchParams.set(name, value)
    res.appendHeader('set-cookie', cookie.add(req.headers.cookie, { state, verifier, environment }))
    redirect(res, 302, url.href)
  })
}

function endpointOf({ authorization_endpoint }: oauth.AuthorizationServer): string {
  if (authorization_endpoint !== undefined) return authorization_endpoint
  throw new TokenRequestError('unexpected_response', null, 'The host names no authorization endpoint.')
}
