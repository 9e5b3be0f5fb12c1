import type { IncomingMessage, ServerResponse } from 'node:http'
import * as oauth from 'oauth4webapi'
import { installationOf, type Installation } from './installation.ts'
import type { AuthorizationServer } from './authorization-server.ts'
import { handlerOf, queryOf, redirect, sendPage, type AppHandler } from './handler.ts'
import type { InstallCookie } from './install-cookie.ts'
import { InstallError } from './install-error.ts'
import type { Sessions } from './sessions.ts'
import { showError, type OnInstallError } from './show-error.ts'
import { TokenRequestError } from './token-request-error.ts'

export interface CallbackOptions<Req, Res> {
  /**
   * Called when the tokens are stored. May answer; otherwise `afterInstall` or a small page does. `req` and `res` are of the
   * framework that calls: in TypeScript, annotate them with its types.
   */
  onInstalled?: (installation: Installation, req: Req, res: Res) => unknown
  /** Where the browser goes afterwards. */
  afterInstall?: string
  /** Answers in place of the page that says why it was not installed. */
  onError?: OnInstallError<Req, Res>
}

/** Where the host's consent page sends the browser back to: `redirectUri`. */
export function callbackHandler<Req extends IncomingMessage, Res extends ServerResponse>(
  server: AuthorizationServer,
  sessions: Sessions,
  cookie: InstallCookie,
  options: CallbackOptions<Req, Res>,
): AppHandler<Req, Res> {
  async function finish(req: Req, res: Res): Promise<Installation> {
    const query = queryOf(req)
    const taken = cookie.take(req.headers.cookie, query.get('state'))
    if (!taken) {
      throw new InstallError(
        'wrong_state',
        'This browser did not start the installation, or more than ten minutes ago. Start it again from the app.',
      )
    }
    res.appendHeader('set-cookie', taken.setCookie)
    const { state, verifier, environment } = taken.pending
    const parameters = checkAnswer(await server.metadata().catch(failed), server.client, query, state)
    const answer = await server.redeemCode(parameters, verifier).catch(failed)
    // The visitor has the address of the consent page in hand, and may have changed it there.
    if (answer['environment'] !== undefined && answer['environment'] !== environment) {
      throw new InstallError('wrong_environment', 'The marketplace installed the app in another environment.')
    }
    const session = await sessions.keepInstalled(answer, environment)
    if (session) return installationOf(session)
    throw new InstallError('wrong_answer', 'The marketplace did not say where the app was installed.')
  }

  return handlerOf(async (req, res) => {
    let installation: Installation
    try {
      installation = await finish(req, res)
    } catch (error) {
      if (!(error instanceof InstallError)) throw error
      return showError(options.onError, error, req, res)
    }
    await options.onInstalled?.(installation, req, res)
    if (res.headersSent || res.writableEnded) return
    if (options.afterInstall !== undefined) return redirect(res, 303, options.afterInstall)
    sendPage(res, 200, 'Installed', 'The app is installed. You can close this page.')
  })
}

/** @throws InstallError for an answer of somebody else (RFC 9207), for another state, and for the host's own "no". */
function checkAnswer(
  metadata: oauth.AuthorizationServer,
  client: oauth.Client,
  query: URLSearchParams,
  state: string,
): URLSearchParams {
  try {
    const parameters = oauth.validateAuthResponse(metadata, client, query, state)
    if (parameters.get('code')) return parameters
    throw new InstallError('wrong_answer', 'The answer of the marketplace has no code in it.')
  } catch (cause) {
    if (cause instanceof oauth.AuthorizationResponseError) {
      const message =
        cause.error === 'access_denied'
          ? 'The installation was cancelled. Nothing was changed.'
          : `The marketplace refused the installation (${cause.error}).`
      throw new InstallError('refused', message, { reason: cause.error, cause })
    }
    if (cause instanceof InstallError) throw cause
    throw new InstallError('wrong_answer', 'The answer is not one of this marketplace. Start again from the app.', {
      cause,
    })
  }
}

function failed(cause: unknown): never {
  if (!(cause instanceof TokenRequestError)) throw cause
  if (cause.status !== null && cause.status < 500 && cause.code !== 'unexpected_response') {
    const message = `The marketplace gave no access (${cause.code}). Start the installation again from the app.`
    throw new InstallError('no_token', message, { reason: cause.code, cause })
  }
  throw new InstallError('unavailable', 'The marketplace cannot be reached. Start again later.', { cause })
}
