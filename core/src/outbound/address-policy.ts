import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

type Address = ipaddr.IPv4 | ipaddr.IPv6

/** Decides about addresses. Made once per host, so a kept-alive socket can never outlive the policy it was judged by. */
export type AddressPolicy = {
  /** True when no private address is allowed at all: names that can only be internal are then refused unresolved. */
  publicOnly: boolean
  /** `address` is textual IPv4 or IPv6, with or without a zone. What cannot be parsed is not allowed. */
  allows(address: string): boolean
}

/**
 * Cloud services that hand credentials to whoever can reach them. They stay closed even with `allowPrivateNetworks:
 * true`, which people set to reach their laptop and then carry into a cloud; naming one in a CIDR opens it.
 * 168.63.129.16 (Azure) is a public address by its range; the IPv6 ones and Alibaba's sit in ordinary private ranges.
 * 169.254.169.254 needs no entry: link-local is never opened by `true`.
 */
const metadataServices = new Set([
  '168.63.129.16',
  '100.100.100.200',
  'fd00:ec2:0:0:0:0:0:254',
  'fd20:ce:0:0:0:0:0:254',
])

/** What `allowPrivateNetworks: true` adds. Not link-local, and none of the ranges that wrap another address. */
const privateRanges = new Set(['loopback', 'private', 'uniqueLocal', 'carrierGradeNat'])

/** The only part of IPv6 that is handed out for the public internet (RFC 4291, IANA registry). */
const globalUnicast: [ipaddr.IPv6, number] = [ipaddr.IPv6.parse('2000::'), 3]

/**
 * @param allowPrivateNetworks `true` for every private network, or the CIDRs to open besides the public internet.
 * @throws TypeError when an entry is no CIDR; the host then does not start.
 */
export function createAddressPolicy(allowPrivateNetworks: boolean | string[]): AddressPolicy {
  const allPrivate = allowPrivateNetworks === true
  const opened = Array.isArray(allowPrivateNetworks) ? allowPrivateNetworks.map(parseCidr) : []
  return {
    publicOnly: !allPrivate && opened.length === 0,
    allows(text) {
      const address = parseAddress(text)
      if (!address) return false
      if (opened.some(([network, bits]) => network.kind() === address.kind() && address.match(network, bits)))
        return true
      if (metadataServices.has(address.toNormalizedString())) return false
      return isPublic(address) || (allPrivate && privateRanges.has(address.range()))
    },
  }
}

/**
 * `range()` alone is not enough for IPv6: it calls `::7f00:1` unicast, and that is how the URL parser writes
 * `[::127.0.0.1]`. NAT64, 6to4 and Teredo have ranges of their own and are refused by not being unicast: the address
 * they wrap would be reached by a gateway that we cannot see.
 */
function isPublic(address: Address): boolean {
  if (address.range() !== 'unicast') return false
  return address.kind() === 'ipv4' || address.match(...globalUnicast)
}

function parseAddress(text: string): Address | null {
  const [bare = ''] = text.split('%')
  // ipaddr.js also takes `127.1` and octal digits, which mean another address to others.
  return isIP(bare) ? ipaddr.process(bare) : null // unmaps ::ffff:a.b.c.d, which the kernel would connect to as IPv4
}

function parseCidr(text: string): [Address, number] {
  try {
    return ipaddr.parseCIDR(text)
  } catch {
    throw new TypeError(`allowPrivateNetworks: "${text}" is not a CIDR such as "10.0.0.0/8" or "fd00::/8"`)
  }
}
