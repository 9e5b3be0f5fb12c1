import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Client } from '../client/create-client.ts'
import type { WebhookMiddleware, WebhookOptions } from '../server/index.ts'
import type { Environment } from '../tokens/index.ts'
import { appWebhooks } from './app-webhooks.ts'
import { createAuthorizationServer } from './authorization-server.ts'
import { callbackHandler, type CallbackOptions } from './callback-handler.ts'
import { createAppClient } from './create-app-client.ts'
import type { AppHandler } from './handler.ts'
import { createInstallCookie } from './install-cookie.ts'
import { installHandler, type InstallOptions } from './install-handler.ts'
import { installationOf, type Installation } from './installation.ts'
import { checkOptions, type StoaAppOptions } from './options.ts'
import { companyTarget, createSessions, locationTarget } from './sessions.ts'
import { createContextVerifier, type AppUserContext } from './verify-context.ts'

/** An app of a Stoa marketplace: how it is installed, and how it acts for those who installed it. */
export interface StoaApp {
  /** For `GET /install`: sends the browser to the host's consent page, with state and PKCE (S256). */
  install<Req extends IncomingMessage = IncomingMessage, Res extends ServerResponse = ServerResponse>(
    options?: InstallOptions<Req, Res>,
  ): AppHandler<Req, Res>
  /** For the path of `redirectUri`: checks the answer, redeems the code, stores the tokens, calls `onInstalled`. */
  callback<Req extends IncomingMessage = IncomingMessage, Res extends ServerResponse = ServerResponse>(
    options?: CallbackOptions<Req, Res>,
  ): AppHandler<Req, Res>
  /**
   * Acts for a location. Where only its organization installed the app, the organization's token is exchanged for one of
   * the location (RFC 8693); say which `companyId` that is, unless a webhook or the installation said so before.
   *
   * Every request carries a live token: renewed before it ends, once among all processes that share the store, and once
   * more when the host refuses it. Requests throw NotInstalledError, TokenRequestError, StoaApiError.
   */
  for(locationId: string, options?: { companyId?: string; environment?: Environment }): Client
  /** What is known of the app in a location, as `for` would act there. @throws NotInstalledError, TokenRequestError */
  installationAt(locationId: string, options?: { companyId?: string; environment?: Environment }): Promise<Installation>
  /** Acts for an organization, as `for` does. */
  forCompany(companyId: string, options?: { environment?: Environment }): Client
  /** Acts for the app itself, by its own credentials (client_credentials). Not for public clients. */
  asApplication(options?: { environment?: Environment }): Client
  /** `webhookMiddleware` that also keeps the store right: a token that comes is kept, a customer who goes is forgotten. */
  webhooks(options: WebhookOptions): WebhookMiddleware
  /**
   * Who looks at an embedded page, by the one-minute token that the host gave it. Checked offline by the host's public
   * keys: ES256, issuer, audience, end (5 s of tolerance).
   * @throws InvalidContextError for a token that is not to be believed
   * @throws TokenRequestError when the host's keys cannot be fetched
   */
  verifyContext(token: string): Promise<AppUserContext>
}

/**
 * Everything an app needs of its host beside webhooks and its own ideas. Keeps nothing of its own but caches: what
 * matters is in `store`, which all processes of the app share.
 * @throws TypeError for options that cannot work.
 */
export function stoaApp(options: StoaAppOptions): StoaApp {
  const app = checkOptions(options)
  const server = createAuthorizationServer(app)
  const cookie = createInstallCookie(app)
  const sessions = createSessions(app, server)
  return {
    install: (given = {}) => installHandler(app, server, cookie, given),
    callback: (given = {}) => callbackHandler(server, sessions, cookie, given),
    for: (locationId, { companyId, environment } = {}) =>
      createAppClient(app, sessions, locationTarget(locationId, environment, companyId)),
    installationAt: async (locationId, { companyId, environment } = {}) =>
      installationOf(await sessions.live(locationTarget(locationId, environment, companyId))),
    forCompany: (companyId, { environment } = {}) =>
      createAppClient(app, sessions, companyTarget(companyId, environment)),
    asApplication: ({ environment = 'production' } = {}) =>
      createAppClient(app, sessions, { userType: 'Application', id: '', environment }),
    webhooks: (given) => appWebhooks(app, sessions, given),
    verifyContext: createContextVerifier(app, server),
  }
}
