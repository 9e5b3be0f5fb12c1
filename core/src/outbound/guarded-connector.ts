import { isIP, type LookupFunction } from 'node:net'
import { buildConnector } from 'undici'
import type { AddressPolicy } from './address-policy.ts'
import { classifyConnectError } from './classify-error.ts'
import { blockedAddress } from './outbound-failure.ts'
import { type HostResolver, isLocalhost } from './resolve-host.ts'

const connectTimeoutMs = 10_000

/**
 * The second and third guard. The socket is opened to the very addresses that were judged here, not to the name, so a
 * name server cannot answer one thing to the check and another to the connection. An address written in the URL is
 * judged apart, because `lookup` is never called for it. The address of the open socket is judged once more, which
 * costs nothing and catches whatever the first two overlook.
 */
export function createGuardedConnector(policy: AddressPolicy, resolver: HostResolver): buildConnector.connector {
  const connect = buildConnector({
    timeout: connectTimeoutMs,
    lookup: createGuardedLookup(policy, resolver),
    // Node's 250 ms per address makes hosts behind a slow link unreachable as soon as they have two addresses.
    autoSelectFamilyAttemptTimeout: 1_000,
  })
  return (options, callback) => {
    if (isIP(options.hostname) && !policy.allows(options.hostname)) {
      process.nextTick(callback, blockedAddress(), null)
      return
    }
    connect(options, (error, socket) => {
      if (error) return callback(classifyConnectError(error, options.protocol === 'https:'), null)
      if (policy.allows(socket.remoteAddress ?? '')) return callback(null, socket)
      socket.destroy()
      callback(blockedAddress(), null)
    })
  }
}

/**
 * One bad address refuses the name. Connecting to the good ones would be as safe, but a public name with a private
 * address is either an attack or a mistake, and both are better said than papered over.
 */
function createGuardedLookup(policy: AddressPolicy, resolver: HostResolver): LookupFunction {
  async function resolveAllowed(host: string): Promise<{ address: string; family: number }[]> {
    const found = await resolver.resolve(host)
    // `localhost` is both loopbacks by definition; opening one of them must not be defeated by the other.
    const addresses = isLocalhost(host.replace(/\.$/, '')) ? found.filter((address) => policy.allows(address)) : found
    if (addresses.length === 0 || !addresses.every((address) => policy.allows(address))) throw blockedAddress()
    return addresses.map((address) => ({ address, family: isIP(address) }))
  }
  return (host, options, callback) => {
    resolveAllowed(host).then(
      (addresses) => {
        if (options.all) return callback(null, addresses)
        const [first] = addresses
        callback(null, first?.address ?? '', first?.family)
      },
      (error: NodeJS.ErrnoException) => callback(error, '', 4),
    )
  }
}
