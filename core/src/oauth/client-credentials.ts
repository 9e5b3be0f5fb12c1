import { mintAccessToken } from '../access/index.ts'
import { environments } from '../context.ts'
import { inTransaction } from '../database/index.ts'
import { StoaError } from '../kernel/index.ts'
import { shareActive } from './issue-tokens.ts'
import { ofClients } from './permissions.ts'
import { namesIn } from './scope.ts'
import { tokenAnswer } from './token-answer.ts'
import type { Grant } from './token-request.ts'

/**
 * `client_credentials` (RFC 6749 section 4.4): a token of the application itself, for what its own API key could do without
 * changing the application. There is no refresh token: the credentials are one.
 */
export const grantToClient: Grant = async (ctx, client, form, proof) => {
  if (!client.isProven) {
    throw new StoaError('unauthorized_client', { message: 'A public client has no credentials to get a token for.' })
  }
  const environment = environments.find((each) => each === (form.environment ?? 'production'))
  if (!environment) {
    throw new StoaError('invalid_request', { message: 'environment must be production or sandbox.' })
  }
  const { secretId } = client
  const asked = form.scope === undefined ? [...ofClients] : namesIn(form.scope)
  const { names, unknown } = ctx.catalogue.resolve(asked)
  const excess = names.filter((name) => !ofClients.has(name))
  if (unknown.length + excess.length > 0) {
    const message = `An application cannot have ${[...unknown, ...excess].slice(0, 5).join(', ')} for itself.`
    throw new StoaError('invalid_scope', { message })
  }
  const scope = asked.join(' ')
  return inTransaction(ctx.db, async (trx) => {
    const application = await shareActive(ctx, trx, client.application)
    const { token, seconds } = await mintAccessToken(ctx, trx, {
      applicationId: application.id,
      installationId: null,
      organizationId: application.publisherId,
      locationId: null,
      environment,
      permissions: names,
      scope,
      rateLimit: application.rateLimit,
      familyId: null,
      userId: null,
      secretId,
      keyThumbprint: proof.keyThumbprint,
    })
    const issued = {
      application,
      installation: null,
      token,
      seconds,
      refresh: null,
      scope,
      environment,
      userId: null,
      ...proof,
    }
    return tokenAnswer(trx, issued)
  })
}
