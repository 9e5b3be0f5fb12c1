import { findApplicationByClientId, findClientSecret, isSwitchedOff, type Application } from '../applications/index.ts'
import type { RequestFacts } from '../http/index.ts'
import { StoaError } from '../kernel/index.ts'
import { assertionType, clientIdOfAssertion, verifyClientAssertion } from './client-assertion.ts'
import type { OAuthContext } from './context.ts'

export const clientAuthenticationMethods = [
  'client_secret_basic',
  'client_secret_post',
  'private_key_jwt',
  'none',
] as const

/** The client that a request is from. */
export interface Client {
  application: Application
  /** The secret, or the registered key, that it authenticated with; null for a public client. */
  secretId: string | null
  /** False for a public client, which says who it is and cannot prove it. */
  isProven: boolean
}

/** The members of a form that say who the client is. */
export interface ClientForm {
  client_id?: string | undefined
  client_secret?: string | undefined
  client_assertion?: string | undefined
  client_assertion_type?: string | undefined
}

/**
 * Authenticates a client by Basic, by its secret in the form, by a signed assertion, or not at all when it is a public one
 * (RFC 6749 section 2.3, RFC 7523). An Authorization header that is no Basic is ignored: HighLevel's SDK sends one along.
 * Throws `invalid_client`, the same for a wrong secret and a client that does not exist, and `invalid_request` for two methods.
 */
export async function authenticateClient(
  ctx: OAuthContext,
  request: Pick<RequestFacts, 'headers' | 'url'>,
  form: ClientForm,
): Promise<Client> {
  const basic = readBasic(request.headers.authorization)
  const methods = [basic, form.client_secret, form.client_assertion].filter((each) => each != null)
  if (methods.length > 1) {
    throw new StoaError('invalid_request', { message: 'Authenticate the client in one way, not in several.' })
  }
  const named = [basic?.clientId, form.client_assertion && clientIdOfAssertion(form.client_assertion), form.client_id]
  const clientId = named.find((each) => each != null)
  if (clientId == null) throw new StoaError('invalid_client', { message: 'client_id is missing.' })
  if (form.client_id !== undefined && form.client_id !== clientId) {
    throw new StoaError('invalid_request', { message: 'client_id differs from the client that authenticates.' })
  }
  const application = await findApplicationByClientId(ctx.db, clientId)
  if (!application) throw new StoaError('invalid_client')
  const client = await prove(ctx, application, { basic, form, url: request.url })
  if (isSwitchedOff(application)) {
    throw new StoaError('invalid_client', { message: 'The application is switched off, so that it gets no tokens.' })
  }
  return client
}

async function prove(
  ctx: OAuthContext,
  application: Application,
  given: { basic: Basic | null; form: ClientForm; url: string },
): Promise<Client> {
  const { client_assertion: assertion, client_assertion_type: type } = given.form
  const secret = given.basic?.secret ?? given.form.client_secret
  if (application.clientType !== 'confidential') {
    if (secret !== undefined || assertion !== undefined) {
      throw new StoaError('invalid_client', {
        message: 'A public client has no secret and no key; send client_id alone.',
      })
    }
    return { application, secretId: null, isProven: false }
  }
  if (assertion !== undefined) {
    if (type !== assertionType) {
      throw new StoaError('invalid_client', { message: `client_assertion_type must be ${assertionType}.` })
    }
    const secretId = await verifyClientAssertion(ctx, ctx.db, application, assertion, given.url)
    return { application, secretId, isProven: true }
  }
  const found = secret === undefined ? null : await findClientSecret(ctx, ctx.db, application.id, secret)
  if (!found) throw new StoaError('invalid_client')
  return { application, secretId: found.id, isProven: true }
}

interface Basic {
  clientId: string
  secret: string
}

/** RFC 6749 section 2.3.1: both parts are form-encoded before they are put together. */
function readBasic(header: string | string[] | undefined): Basic | null {
  const [, encoded] = /^Basic\s+(\S+)\s*$/i.exec(typeof header === 'string' ? header : '') ?? []
  if (encoded === undefined) return null
  const text = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  if (colon < 0) throw new StoaError('invalid_client', { message: 'The Basic credentials have no colon.' })
  try {
    return { clientId: formDecoded(text.slice(0, colon)), secret: formDecoded(text.slice(colon + 1)) }
  } catch (cause) {
    throw new StoaError('invalid_client', { message: 'The Basic credentials are not form-encoded.', cause })
  }
}

const formDecoded = (text: string) => decodeURIComponent(text.replaceAll('+', ' '))
