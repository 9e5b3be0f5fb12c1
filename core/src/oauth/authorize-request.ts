import { environments, type Environment } from '../context.ts'
import { findApplicationByClientId, isSwitchedOff, type Application } from '../applications/index.ts'
import type { Db } from '../database/index.ts'
import { StoaError } from '../kernel/index.ts'
import type { OAuthContext } from './context.ts'
import { takePushedRequest } from './pushed-requests.ts'
import { isRegistered } from './redirect-uri.ts'
import { isThisHost } from './resource.ts'
import { requestedScope } from './scope.ts'

/** What a client asks of a person: a checked authorization request (RFC 6749 section 4.1.1). */
export interface AuthorizeRequest {
  clientId: string
  redirectUri: string
  state: string | null
  /** Names, in the words of the client. */
  scope: string[]
  /** False when the client named none and gets what the application asks for. */
  isScopeGiven: boolean
  codeChallenge: string | null
  keyThumbprint: string | null
  environment: Environment
  /** A location that the client suggests; the person decides. */
  locationId: string | null
}

/** A refusal that the client is told of, by sending the browser back (RFC 6749 section 4.1.2.1). */
export class AuthorizeRefusal extends Error {
  readonly code: string
  readonly redirectUri: string
  readonly state: string | null
  /** Whether a reviewer vouches for the redirect URI, so that a browser may be sent there before anybody was asked. */
  readonly isTrusted: boolean
  constructor(
    code: string,
    message: string,
    { redirectUri, state, isTrusted }: { redirectUri: string; state: string | null; isTrusted: boolean },
  ) {
    super(message)
    this.code = code
    this.redirectUri = redirectUri
    this.state = state
    this.isTrusted = isTrusted
  }
}

/** The parameters of an authorization request that mean something here. */
export const authorizeParameters = [
  'client_id',
  'redirect_uri',
  'response_type',
  'response_mode',
  'scope',
  'state',
  'code_challenge',
  'code_challenge_method',
  'dpop_jkt',
  'resource',
  'prompt',
  'environment',
  'location_id',
  'request',
  'request_uri',
]

/** It travels on in addresses, which servers bound. */
const longestState = 2000

/**
 * Checks the parameters of an authorization request. Throws a StoaError while it is not certain that the redirect URI is the
 * application's own: then a person has to be told, and nobody is redirected. Afterwards an AuthorizeRefusal.
 */
export async function readAuthorizeRequest(
  ctx: OAuthContext,
  db: Db,
  search: string,
): Promise<{ application: Application; request: AuthorizeRequest }> {
  const given = new URLSearchParams(search)
  if ([...given.values()].some((value) => value.includes('\0')))
    throw bad('The address has the character U+0000 in it.')
  const clientId = single(given, 'client_id')
  if (clientId === null) throw bad('The application that sent you here did not say which one it is (client_id).')
  const application = await findApplicationByClientId(ctx.db, clientId)
  if (!application) throw bad('The application that sent you here is not known (client_id).')
  const parameters = await unpushed(ctx, db, given, application)
  const redirectUri = redirectUriOf(application, parameters)
  const [sent, ...moreStates] = parameters.getAll('state')
  const isStateFine = moreStates.length === 0 && (sent?.length ?? 0) <= longestState
  const state = isStateFine ? (sent ?? null) : null
  const isTrusted = application.version > 0 && application.status !== 'disabled'
  const refuse = (code: string, message: string) =>
    new AuthorizeRefusal(code, message, { redirectUri, state, isTrusted })

  const twice = authorizeParameters.find((name) => parameters.getAll(name).length > 1)
  if (twice) throw refuse('invalid_request', `${twice} came more than once.`)
  if (!isStateFine) throw refuse('invalid_request', `state must have at most ${longestState} characters.`)
  if (isSwitchedOff(application)) throw refuse('unauthorized_client', 'The application is switched off.')
  if (parameters.has('request')) throw refuse('request_not_supported', 'Request objects are not supported.')
  if (parameters.get('response_type') !== 'code') {
    throw refuse('unsupported_response_type', 'response_type must be code.')
  }
  if (!['query', null].includes(parameters.get('response_mode'))) {
    throw refuse('invalid_request', 'response_mode must be query.')
  }
  const resource = parameters.get('resource')
  if (resource !== null && !isThisHost(ctx, resource)) {
    throw refuse('invalid_target', `resource must be ${ctx.config.baseUrl}.`)
  }
  if ((parameters.get('prompt') ?? '').split(' ').includes('none')) {
    throw refuse('interaction_required', 'Access is never given without asking.')
  }
  const environment = environments.find((each) => each === (parameters.get('environment') ?? 'production'))
  if (!environment) throw refuse('invalid_request', 'environment must be production or sandbox.')
  const keyThumbprint = parameters.get('dpop_jkt')
  if (keyThumbprint !== null && !/^[\w-]{43}$/.test(keyThumbprint)) {
    throw refuse('invalid_request', 'dpop_jkt must be a SHA-256 thumbprint (RFC 7638).')
  }
  const request: AuthorizeRequest = {
    clientId,
    redirectUri,
    state,
    scope: scopeOf(ctx, application, parameters.get('scope'), refuse),
    isScopeGiven: Boolean(parameters.get('scope')),
    codeChallenge: challengeOf(application, parameters, refuse),
    keyThumbprint,
    environment,
    locationId: parameters.get('location_id'),
  }
  return { application, request }
}

type Refuse = (code: string, message: string) => AuthorizeRefusal

/** The pushed parameters where there are some: then those in the query do not count (RFC 9126 section 4). */
async function unpushed(
  ctx: OAuthContext,
  db: Db,
  given: URLSearchParams,
  application: Application,
): Promise<URLSearchParams> {
  const requestUri = single(given, 'request_uri')
  if (requestUri === null) return given
  const pushed = await takePushedRequest(ctx, db, requestUri, application.id)
  if (!pushed) throw bad('This request was used already or is too old; go back to the application and begin again.')
  return pushed
}

function redirectUriOf(application: Application, parameters: URLSearchParams): string {
  const given = single(parameters, 'redirect_uri')
  if (given === null) {
    const [only, ...more] = application.redirectUris
    if (only === undefined || more.length > 0)
      throw bad('The application did not say where to return to (redirect_uri).')
    return only
  }
  if (!isRegistered(application, given)) {
    throw bad('The address to return to (redirect_uri) is not one that the application registered.')
  }
  return given
}

// RFC 7636 section 4.4.1. Without a method the challenge would be the verifier itself (`plain`), which protects nothing.
function challengeOf(application: Application, parameters: URLSearchParams, refuse: Refuse): string | null {
  const challenge = parameters.get('code_challenge')
  const method = parameters.get('code_challenge_method')
  if (challenge === null) {
    if (method !== null) throw refuse('invalid_request', 'code_challenge is missing.')
    if (application.requiresPkce || application.clientType !== 'confidential') {
      throw refuse('invalid_request', 'code_challenge is missing: this client has to use PKCE with S256.')
    }
    return null
  }
  if (method !== 'S256') throw refuse('invalid_request', 'code_challenge_method must be S256.')
  if (!/^[\w-]{43}$/.test(challenge)) {
    throw refuse('invalid_request', 'code_challenge must be the base64url SHA-256 of the verifier.')
  }
  return challenge
}

function scopeOf(ctx: OAuthContext, application: Application, scope: string | null, refuse: Refuse): string[] {
  try {
    return requestedScope(ctx.catalogue, application, scope === '' ? null : scope)
  } catch (error) {
    if (error instanceof StoaError) throw refuse(error.code, error.message)
    throw error
  }
}

function single(parameters: URLSearchParams, name: string): string | null {
  const values = parameters.getAll(name).filter((value) => value !== '')
  if (values.length > 1) throw bad(`The application sent ${name} more than once.`)
  return values[0] ?? null
}

function bad(message: string): StoaError {
  return new StoaError('invalid_request', { message })
}
