import type { Static } from '../kernel/index.ts'
import { shownHeaders } from './endpoint-headers.ts'
import type { Endpoint, EndpointSecret } from './endpoint.ts'
import type { EndpointShape, SecretShape } from './schemas.ts'
import { publicKeyOf } from './secrets.ts'

/** An endpoint as its owner sees it: without anything sealed. */
export function endpointShape(endpoint: Endpoint): Static<typeof EndpointShape> {
  const { secrets: _s, health, givenId: _g, installationId, headers, ...shown } = endpoint
  const { breaker, breakerUntil, failures, failingSince } = health
  return {
    ...shown,
    installationId,
    headers: shownHeaders(headers),
    publicKey: publicKeyOf(endpoint),
    health: { breaker, breakerUntil, failures, failingSince },
  }
}

export function secretShape({ sealed: _sealed, ...shown }: EndpointSecret): Static<typeof SecretShape> {
  return shown
}
