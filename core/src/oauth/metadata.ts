import { Router } from 'express'
import { dpopAlgorithms } from '../access/index.ts'
import { defineOperation, reply, type Operation } from '../http/index.ts'
import { Type } from '../kernel/index.ts'
import { clientAuthenticationMethods } from './authenticate-client.ts'
import { assertionAlgorithms } from './client-assertion.ts'
import type { OAuthContext } from './context.ts'
import { grantTypes } from './token-operations.ts'

const common = { surface: 'oauth', tag: 'OAuth', permission: null, method: 'GET' } as const
const open = { 'Cache-Control': 'public, max-age=300', 'Access-Control-Allow-Origin': '*' }
const Document = Type.Unsafe<Record<string, unknown>>({ type: 'object' })

const serverPath = '/.well-known/oauth-authorization-server'
const resourcePath = '/.well-known/oauth-protected-resource'

/**
 * Serves the two documents where clients look for those of a host whose address has a path: at the root of its origin, with
 * the path behind (RFC 8414 section 3.1, RFC 9728 section 3.1). For embedders, who alone can put something there.
 */
export function createWellKnown(ctx: OAuthContext): Router {
  const router = Router()
  const { pathname } = new URL(ctx.config.baseUrl)
  const path = pathname === '/' ? '' : pathname
  router.get(serverPath + path, (_req, res) => void res.set(open).json(serverMetadata(ctx)))
  router.get(resourcePath + path, (_req, res) => void res.set(open).json(resourceMetadata(ctx)))
  return router
}

/** What clients read to find their way: RFC 8414, RFC 9728, RFC 7517. */
export function metadataOperations(ctx: OAuthContext): Operation[] {
  return [
    defineOperation({
      ...common,
      id: 'getAuthorizationServerMetadata',
      path: serverPath,
      summary: 'How to get tokens (RFC 8414)',
      responses: { 200: Document },
      handler: () => Promise.resolve(reply(200, serverMetadata(ctx), open)),
    }),
    defineOperation({
      ...common,
      id: 'getProtectedResourceMetadata',
      path: resourcePath,
      summary: 'Which tokens this API takes (RFC 9728)',
      responses: { 200: Document },
      handler: () => Promise.resolve(reply(200, resourceMetadata(ctx), open)),
    }),
    defineOperation({
      ...common,
      id: 'getJwks',
      path: '/oauth/jwks',
      summary: 'The host’s public keys (RFC 7517)',
      description: 'ES256 signs context tokens; the Ed25519 key signs webhooks in HighLevel’s format.',
      responses: { 200: Document },
      handler: () => Promise.resolve(reply(200, { ...ctx.signingKeys.jwks() }, open)),
    }),
  ]
}

function serverMetadata({ config, catalogue }: OAuthContext): Record<string, unknown> {
  const { baseUrl } = config
  return {
    issuer: baseUrl,
    authorization_endpoint: `${baseUrl}/oauth/authorize`,
    token_endpoint: `${baseUrl}/oauth/token`,
    revocation_endpoint: `${baseUrl}/oauth/revoke`,
    introspection_endpoint: `${baseUrl}/oauth/introspect`,
    pushed_authorization_request_endpoint: `${baseUrl}/oauth/par`,
    jwks_uri: `${baseUrl}/oauth/jwks`,
    scopes_supported: scopesOf(catalogue),
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    grant_types_supported: grantTypes,
    token_endpoint_auth_methods_supported: clientAuthenticationMethods,
    token_endpoint_auth_signing_alg_values_supported: assertionAlgorithms,
    revocation_endpoint_auth_methods_supported: clientAuthenticationMethods,
    revocation_endpoint_auth_signing_alg_values_supported: assertionAlgorithms,
    introspection_endpoint_auth_methods_supported: clientAuthenticationMethods.filter((each) => each !== 'none'),
    introspection_endpoint_auth_signing_alg_values_supported: assertionAlgorithms,
    code_challenge_methods_supported: ['S256'],
    dpop_signing_alg_values_supported: dpopAlgorithms,
    authorization_response_iss_parameter_supported: true,
    service_documentation: `${baseUrl}/api/documentation`,
  }
}

function resourceMetadata({ config, catalogue }: OAuthContext): Record<string, unknown> {
  const { baseUrl, name } = config
  return {
    resource: baseUrl,
    resource_name: name,
    authorization_servers: [baseUrl],
    scopes_supported: scopesOf(catalogue),
    bearer_methods_supported: ['header'],
    dpop_signing_alg_values_supported: dpopAlgorithms,
    resource_documentation: `${baseUrl}/api/documentation`,
  }
}

/** Under the names that clients use: HighLevel's where there is one. */
function scopesOf(catalogue: OAuthContext['catalogue']): string[] {
  const asked = catalogue.all().filter(({ applications }) => applications)
  return [...new Set(asked.flatMap(({ name, aliases }) => [name, ...aliases.filter((alias) => alias.includes('.'))]))]
}
