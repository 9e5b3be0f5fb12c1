import {
  endFamilies,
  familyOfRefreshToken,
  findApplicationToken,
  markApplicationTokenRevoked,
} from '../access/index.ts'
import { afterCommit, inTransaction } from '../database/index.ts'
import { defineOperation, reply, type Operation } from '../http/index.ts'
import { hashToken, invalidField, nowIso, StoaError, tokenKind, Type } from '../kernel/index.ts'
import { AuthorizeRefusal, authorizeParameters, readAuthorizeRequest } from './authorize-request.ts'
import { grantToClient } from './client-credentials.ts'
import type { OAuthContext } from './context.ts'
import { exchangeToken, exchangeType } from './exchange-token.ts'
import { Introspection, introspect } from './introspect.ts'
import { pushedSeconds, pushRequest } from './pushed-requests.ts'
import { isThisHost } from './resource.ts'
import { redeemCode } from './redeem-code.ts'
import { refreshAccess } from './refresh-access.ts'
import { inCamelCase, TokenAnswer } from './token-answer.ts'
import { clientMembers, longestText, readClient, TokenForm, type Grant } from './token-request.ts'

const common = { surface: 'oauth', tag: 'OAuth', permission: null, bodyKind: 'form', transaction: false } as const

// A Map and not an object: `__proto__` is no grant type.
const grants = new Map<string, Grant>([
  ['authorization_code', redeemCode],
  ['refresh_token', refreshAccess],
  ['client_credentials', grantToClient],
  [exchangeType, exchangeToken],
])
export const grantTypes = [...grants.keys()]

const TokenMembers = Type.Object({ token: Type.String({ maxLength: 8192 }), ...clientMembers })

/** The endpoints that clients call: RFC 6749, 7009, 7662 and 9126. */
export function tokenOperations(ctx: OAuthContext): Operation[] {
  return [
    defineOperation({
      ...common,
      id: 'getToken',
      method: 'POST',
      path: '/oauth/token',
      summary: 'Get tokens (RFC 6749 section 3.2)',
      description:
        'A form; JSON is taken too. The client authenticates by Basic, by client_secret, or by client_assertion (private_key_jwt); a public client sends its client_id alone. An Authorization header that is no Basic is ignored. Members in camel case (`grantType`) are answered in camel case, as version 3 of HighLevel’s API has it.',
      body: Type.Union([TokenForm, Type.Object({ grantType: Type.String() })]),
      responses: { 200: Type.Union([TokenAnswer, Type.Object({ accessToken: Type.String() })]) },
      errors: [
        'invalid_grant',
        'invalid_client',
        'unauthorized_client',
        'unsupported_grant_type',
        'invalid_scope',
        'invalid_target',
        'invalid_dpop_proof',
      ],
      handler: async ({ body, request }) => {
        const isCamel = Object.hasOwn(body, 'grantType')
        const form = isCamel ? inSnakeCase(body as Record<string, string | string[]>) : (body as TokenForm)
        const { client, proof } = await readClient(ctx, request, form)
        if (form.grant_type === undefined) {
          throw new StoaError('invalid_request', { message: 'grant_type is missing.' })
        }
        const grant = grants.get(form.grant_type)
        if (!grant) throw new StoaError('unsupported_grant_type')
        if (form.resource !== undefined && !isThisHost(ctx, form.resource)) throw new StoaError('invalid_target')
        // Here alone: revoking (RFC 7009) and introspecting know no proof, and pushing may do without (RFC 9449 section 10.1).
        if (proof.keyThumbprint === null && client.application.requiresDpop) {
          throw new StoaError('invalid_dpop_proof', { message: 'This client binds its tokens: send a DPoP proof.' })
        }
        const answer = await grant(ctx, client, form, proof)
        return reply(200, isCamel ? (inCamelCase(answer) as { accessToken: string }) : answer, { Pragma: 'no-cache' })
      },
    }),
    defineOperation({
      ...common,
      id: 'revokeToken',
      method: 'POST',
      path: '/oauth/revoke',
      summary: 'End a token (RFC 7009)',
      description:
        'An access token ends alone; a refresh token takes its whole authorization along, and what was exchanged from it for locations. 200 also for a token that is unknown, or not this client’s.',
      body: Type.Object({ ...TokenMembers.properties, token_type_hint: Type.Optional(Type.String()) }),
      responses: { 200: Type.Object({}) },
      errors: ['invalid_client'],
      handler: async ({ body, request }) => {
        const { client } = await readClient(ctx, request, body)
        await inTransaction(ctx.db, async (trx) => {
          const { token } = body
          if (tokenKind(token) === 'rt') {
            const family = await familyOfRefreshToken(ctx, trx, token)
            if (family?.applicationId === client.application.id) await endFamilies(ctx, trx, [family.id])
          }
          if (tokenKind(token) === 'at' || tokenKind(token) === 'it') {
            const found = await findApplicationToken(trx, hashToken(token))
            if (found?.applicationId !== client.application.id) return
            await markApplicationTokenRevoked(trx, hashToken(token), nowIso(ctx.clock))
            afterCommit(trx, () => ctx.signals.emit('credentials-changed'))
          }
        })
        return {}
      },
    }),
    defineOperation({
      ...common,
      id: 'introspectToken',
      method: 'POST',
      path: '/oauth/introspect',
      summary: 'Look at a token of one’s own (RFC 7662)',
      description: 'Of a token that is unknown, dead or another client’s it says no more than that it is not active.',
      body: Type.Object({ ...TokenMembers.properties, token_type_hint: Type.Optional(Type.String()) }),
      responses: { 200: Introspection },
      errors: ['invalid_client', 'unauthorized_client'],
      handler: async ({ body, request }) => {
        const { client } = await readClient(ctx, request, body)
        // Whoever finds a token could ask whether it is any good.
        if (!client.isProven) throw new StoaError('unauthorized_client')
        return introspect(ctx, client.application, body.token)
      },
    }),
    defineOperation({
      ...common,
      id: 'pushAuthorizationRequest',
      method: 'POST',
      path: '/oauth/par',
      summary: 'Hand an authorization request in beforehand (RFC 9126)',
      description: `The browser then carries client_id and the request_uri of the answer, for ${pushedSeconds} seconds and once.`,
      body: Type.Object({
        ...clientMembers,
        response_type: Type.Optional(Type.String()),
        redirect_uri: Type.Optional(Type.String({ maxLength: 2000 })),
        scope: Type.Optional(Type.String({ maxLength: 8192 })),
        state: Type.Optional(Type.String({ maxLength: 2000 })),
        code_challenge: Type.Optional(Type.String({ maxLength: 200 })),
        code_challenge_method: Type.Optional(Type.String({ maxLength: 20 })),
        dpop_jkt: Type.Optional(Type.String({ maxLength: 100 })),
        request_uri: Type.Optional(Type.String()),
      }),
      responses: { 201: Type.Object({ request_uri: Type.String(), expires_in: Type.Integer() }) },
      errors: ['invalid_client', 'invalid_scope', 'unsupported_response_type', 'invalid_dpop_proof'],
      handler: async ({ body, request }) => {
        const { client, proof } = await readClient(ctx, request, body)
        if (body.request_uri !== undefined) {
          throw new StoaError('invalid_request', { message: 'A pushed request holds no request_uri.' })
        }
        const parameters = new URLSearchParams()
        // What nobody asked for would fill the database; public clients need not even prove who they are.
        for (const name of authorizeParameters) {
          const value = (body as Record<string, unknown>)[name]
          if (value === undefined) continue
          if (typeof value !== 'string') throw invalidField(name, 'came more than once', 'invalid_request')
          if (value.length > longestText) {
            throw invalidField(name, `has more than ${longestText} characters`, 'invalid_request')
          }
          parameters.set(name, value)
        }
        parameters.set('client_id', client.application.clientId)
        // RFC 9449 section 10.1: a proof binds the code to its key as dpop_jkt would.
        if (proof.keyThumbprint !== null) {
          if (body.dpop_jkt !== undefined && body.dpop_jkt !== proof.keyThumbprint) {
            throw new StoaError('invalid_dpop_proof', { message: 'dpop_jkt is not the key of the proof.' })
          }
          parameters.set('dpop_jkt', proof.keyThumbprint)
        }
        await assertAcceptable(ctx, parameters)
        const uri = await inTransaction(ctx.db, (trx) => pushRequest(ctx, trx, client.application.id, parameters))
        return reply(201, { request_uri: uri, expires_in: pushedSeconds })
      },
    }),
  ]
}

/** What would be refused later is refused now, to the client instead of to a person. */
async function assertAcceptable(ctx: OAuthContext, parameters: URLSearchParams): Promise<void> {
  try {
    await readAuthorizeRequest(ctx, ctx.db, parameters.toString())
  } catch (error) {
    if (!(error instanceof AuthorizeRefusal)) throw error
    const code =
      error.code === 'invalid_scope' || error.code === 'unsupported_response_type' ? error.code : 'invalid_request'
    throw new StoaError(code, { message: error.message })
  }
}

/** The members under the names of the RFCs, and as they have to be: the schema has looked at those names alone. */
function inSnakeCase(form: Record<string, string | string[]>): TokenForm {
  const members = new Map<string, string>()
  for (const [given, value] of Object.entries(form)) {
    const name = given.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
    if (!Object.hasOwn(TokenForm.properties, name)) continue
    if (typeof value !== 'string' || members.has(name))
      throw invalidField(given, 'came more than once', 'invalid_request')
    if (value.length > longestText)
      throw invalidField(given, `has more than ${longestText} characters`, 'invalid_request')
    members.set(name, value)
  }
  return Object.fromEntries(members)
}
