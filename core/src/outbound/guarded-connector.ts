import { isIP, type Socket } from 'node:net'
import { buildConnector } from 'undici'
import type { AddressPolicy } from './address-policy.ts'
import { classifyConnectError } from './classify-error.ts'
import { blockedAddress, type OutboundFailure } from './outbound-failure.ts'
import type { ProxyTunnel } from './proxy-tunnel.ts'
import { type HostResolver, isLocalhost } from './resolve-host.ts'
import { createLookup } from './resolved-lookup.ts'

const connectTimeoutMs = 10_000

/** An open connection to a receiver; `remoteAddress` is null behind a proxy, which alone knows it. */
export type Connected = { socket: Socket; remoteAddress: string | null }

export type GuardedConnector = (
  target: buildConnector.Options,
  /** Told when it is the proxy that is waited for, and when it no longer is. */
  onProxy: (waiting: boolean) => void,
  callback: (failure: OutboundFailure | null, connected: Connected | null) => void,
) => void

export type ConnectorOptions = {
  policy: AddressPolicy
  resolver: HostResolver
  /** When given, connections go through it. */
  tunnel?: ProxyTunnel | undefined
  /** PEM of the authorities to trust instead of Node's. */
  certificateAuthority?: string | undefined
}

/**
 * The second and third guard. The socket is opened to the very addresses that were judged here, not to the name, so a
 * name server cannot answer one thing to the check and another to the connection. An address written in the URL is
 * judged apart, because `lookup` is never called for it. The address of the open socket is judged once more, which
 * costs nothing and catches whatever the first two overlook.
 *
 * Through a proxy the target is judged in the same way, but the proxy is then asked for the name and looks it up by
 * itself: from there on, rebinding is its matter. Asking it for the judged address was rejected, because proxies have
 * rules by name and would look at a list of bare addresses.
 */
export function createGuardedConnector(options: ConnectorOptions): GuardedConnector {
  const { policy, resolver, tunnel } = options
  const resolve = (host: string) => resolveAllowed(policy, resolver, host)
  const connect = buildConnector({
    timeout: connectTimeoutMs,
    lookup: createLookup(resolve),
    // Node's 250 ms per address makes hosts behind a slow link unreachable as soon as they have two addresses.
    autoSelectFamilyAttemptTimeout: 1_000,
    ...(options.certificateAuthority !== undefined && { ca: options.certificateAuthority }),
  })

  const connectDirectly: GuardedConnector = (target, _onProxy, callback) => {
    connect(target, (error, socket) => {
      if (error) return callback(classifyConnectError(error, target.protocol === 'https:'), null)
      const remoteAddress = socket.remoteAddress ?? ''
      if (policy.allows(remoteAddress)) return callback(null, { socket, remoteAddress })
      socket.destroy()
      callback(blockedAddress(), null)
    })
  }

  async function openTunnel(through: ProxyTunnel, target: buildConnector.Options, onProxy: (waiting: boolean) => void) {
    if (!isIP(target.hostname)) await resolve(target.hostname)
    onProxy(true)
    const port = Number(target.port) || (target.protocol === 'https:' ? 443 : 80)
    const socket = await through.open(target.hostname, port).finally(() => onProxy(false))
    if (target.protocol !== 'https:') return socket
    return new Promise<Socket>((done, fail) => {
      connect({ ...target, httpSocket: socket }, (error, secured) => {
        if (!error) return done(secured)
        socket.destroy()
        fail(error)
      })
    })
  }

  return (target, onProxy, callback) => {
    if (isIP(target.hostname) && !policy.allows(target.hostname)) {
      process.nextTick(callback, blockedAddress(), null)
      return
    }
    if (!tunnel) return connectDirectly(target, onProxy, callback)
    openTunnel(tunnel, target, onProxy).then(
      (socket) => callback(null, { socket, remoteAddress: null }),
      (error: Error) => callback(classifyConnectError(error, target.protocol === 'https:'), null),
    )
  }
}

/**
 * One bad address refuses the name. Connecting to the good ones would be as safe, but a public name with a private
 * address is either an attack or a mistake, and both are better said than papered over.
 */
async function resolveAllowed(policy: AddressPolicy, resolver: HostResolver, host: string): Promise<string[]> {
  const found = await resolver.resolve(host)
  // `localhost` is both loopbacks by definition; opening one of them must not be defeated by the other.
  const addresses = isLocalhost(host.replace(/\.$/, '')) ? found.filter((address) => policy.allows(address)) : found
  if (addresses.length === 0 || !addresses.every((address) => policy.allows(address))) throw blockedAddress()
  return addresses
}
