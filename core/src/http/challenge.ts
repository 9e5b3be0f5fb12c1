import type { Request } from 'express'
import type { StoaError } from '../kernel/index.ts'
import type { Surface } from './operation.ts'

/** The WWW-Authenticate header: RFC 6750 section 3, RFC 9449 section 7.1, and RFC 9728 section 5.1 for resource_metadata. */
export function challengeFor(error: StoaError, req: Request, surface: Surface, baseUrl: string): string | null {
  const authorization = req.headers.authorization ?? ''
  if (surface === 'oauth') {
    // Only to those who tried it: a client that sees a challenge takes the endpoint for a protected resource.
    return error.status === 401 && /^Basic\b/i.test(authorization) ? 'Basic realm="token", charset="UTF-8"' : null
  }
  const isLack = error.status === 403 && error.details?.requiredPermission !== undefined
  if (error.status !== 401 && !isLack) return null
  const scheme = /^DPoP\b/i.test(authorization) ? 'DPoP' : 'Bearer'
  // RFC 9449 section 7.1: a client that is told so makes another proof instead of getting another token.
  const isProofWrong = error.details?.reason === 'invalid_dpop_proof'
  const parameters = [
    ...(scheme === 'DPoP' ? ['algs="ES256 RS256 PS256"'] : []),
    ...(isLack ? ['error="insufficient_scope"', `scope="${String(error.details!.requiredPermission)}"`] : []),
    ...(error.code.endsWith('_token') ? [`error="${isProofWrong ? 'invalid_dpop_proof' : 'invalid_token'}"`] : []),
    `resource_metadata="${baseUrl}/.well-known/oauth-protected-resource"`,
  ]
  return `${scheme} ${parameters.join(', ')}`
}
