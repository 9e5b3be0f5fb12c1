/**
 * Why a request got no answer. Closed: a new reason is a change of this list.
 *
 * - `invalid_url`, `invalid_request`: what was asked for can never be sent; trying again is of no use.
 * - `blocked_address`: refused before a packet left.
 * - `dns`, `connect`, `tls`, `timeout`, `reset`, `protocol`: the other side; worth another try later.
 * - `proxy`: the egress proxy of this host, and `closed`: this process is shutting down. Both say nothing about the other
 *   side and must not be held against it.
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
  | 'proxy'
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

/** One sentence for whatever is wrong with the proxy: its address and its troubles are the operator's. */
export function proxyFailure(): OutboundFailure {
  return new OutboundFailure(
    'proxy',
    'Nothing was sent: the way out of this host did not work. Nothing is wrong with the receiver.',
  )
}

/** Refused, filtered and unreachable are one code and one sentence: telling them apart is what a port scan is. */
export function notConnected(): OutboundFailure {
  return new OutboundFailure(
    'connect',
    'No connection could be made. Check the address and that the receiver is running.',
  )
}
