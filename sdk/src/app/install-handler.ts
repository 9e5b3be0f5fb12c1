import type { IncomingMessage, ServerResponse } from 'node:http'
import * as oauth from 'oauth4webapi'
import type { AuthorizationServer } from './authorization-server.ts'
import { handlerOf, queryOf, redirect, type AppHandler } from './handler.ts'
import { InstallError } from './install-error.ts'
import type { InstallCookie } from './install-cookie.ts'
import type { AppContext } from './options.ts'
import type { Environment } from '../tokens/index.ts'
import { showError, type OnInstallError } from './show-error.ts'
import { TokenRequestError } from './token-request-error.ts'

export interface InstallOptions<Req, Res> {
  /** Suggested to the customer on the host's page; `?locationId=` of the request says the same. */
  locationId?: string
  /** Where to install, whatever `?environment=` of the request says. One of the app's `environments`; default the first. */
  environment?: Environment
  /** Answers in place of the page when the host cannot be reached, or `?environment=` is none of the app's. */
  onError?: OnInstallError<Req, Res>
}

/**
 * Sends the browser to the host's consent page.
 * @throws TypeError for an environment that the app does not allow.
 */
export function installHandler<Req extends IncomingMessage, Res extends ServerResponse>(
  app: AppContext,
  server: AuthorizationServer,
  cookie: InstallCookie,
  options: InstallOptions<Req, Res>,
): AppHandler<Req, Res> {
  const isAllowed = (name: string): name is Environment => app.environments.some((each) => each === name)
  if (options.environment !== undefined && !isAllowed(options.environment)) {
    throw new TypeError(`${String(options.environment)} is not among the environments of the app.`)
  }
  return handlerOf(async (req, res) => {
    const state = oauth.generateRandomState()
    const verifier = oauth.generateRandomCodeVerifier()
    const query = queryOf(req)
    const locationId = options.locationId ?? query.get('locationId')
    const environment = options.environment ?? query.get('environment') ?? app.environments[0]
    if (!isAllowed(environment)) {
      const error = new InstallError('wrong_environment', 'This app cannot be installed in that environment.')
      return showError(options.onError, error, req, res)
    }
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
