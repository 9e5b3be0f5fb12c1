/**
 * Why a request got no answer. Closed: a new reason is a change of this list.
 *
 * - `invalid_url`, `invalid_request`: what was asked for can never be sent; trying again is of no use.
 * - `blocked_address`: refused before a packet left.
 * - `dns`, `connect`, `tls`, `timeout`, `reset`, `protocol`: the other side; worth another try later.
 * - `closed`: this process is shutting down; says nothing about the other side.
 */
export type OutboundErrorCode =
  | 'invalid_url'
  | 'invalid_request'
  | 'blocked_address'
  | 'dns'
  | 'connect'
  | 'tls'
  | 'timeout'
  | 'reset'
  | 'protocol'
  | 'closed'

/**
 * A reason travelling inside this slice, up through undici's own error path. `message` is written for the tenant: no
 * resolved address, no port and no errno, so it cannot be used to explore the network that the host stands in.
 */
export class OutboundFailure extends Error {
  readonly error: OutboundErrorCode

  constructor(error: OutboundErrorCode, message: string) {
    super(message)
    this.name = 'OutboundFailure'
    this.error = error
  }
}

/** One sentence for every blocked address, whatever listens there and however it was found. */
export function blockedAddress(): OutboundFailure {
  return new OutboundFailure(
    'blocked_address',
    'The host name leads to an address that is not on the public internet, so nothing was sent. Use a public address, ' +
      'or ask the operator of this host to list the network in allowPrivateNetworks.',
  )
}
