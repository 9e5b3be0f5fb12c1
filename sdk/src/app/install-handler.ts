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
  /** As `locationId`, with `?environment=`. */
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
    const { locationId, environment } = { ...Object.fromEntries(queryOf(req)), ...defined(options) }
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
      locationId,
      environment,
    }
    for (const [name, value] of Object.entries(parameters)) if (value) url.searchParams.set(name, value)
    res.appendHeader('set-cookie', cookie.add(req.headers.cookie, { state, verifier }))
    redirect(res, 302, url.href)
  })
}

function endpointOf({ authorization_endpoint }: oauth.AuthorizationServer): string {
  if (authorization_endpoint !== undefined) return authorization_endpoint
  throw new TokenRequestError('unexpected_response', null, 'The host names no authorization endpoint.')
}

function defined({ locationId, environment }: { locationId?: string; environment?: string }) {
  return { ...(locationId && { locationId }), ...(environment && { environment }) }
}
