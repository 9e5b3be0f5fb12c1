import { isIP } from 'node:net'
import type { AddressPolicy } from './address-policy.ts'
import { OutboundFailure } from './outbound-failure.ts'
import { isLocalhost } from './resolve-host.ts'

/** Domains that never lead to the public internet (RFC 6761, 6762, 8375, ICANN's reservation of `internal`). */
const internalDomains = ['localhost', 'local', 'internal', 'home.arpa']

const askOperator = 'or ask the operator of this host to list the network in allowPrivateNetworks'

/**
 * The first of the three guards: what can be said about a URL without asking anybody. Judges the hostname that the
 * WHATWG parser made of it, never the text, because `http://2130706433`, `http://0x7f.1` and full-width digits all mean
 * 127.0.0.1. There is no rule about ports: it would hide nothing that the address rule does not, and break receivers.
 */
export function judgeUrl(text: string, policy: AddressPolicy, allowHttp: boolean): URL | OutboundFailure {
  const url = URL.canParse(text) ? new URL(text) : null
  if (!url)
    return invalid('This is not a complete URL. Write it with its scheme, such as https://example.com/webhooks.')
  if (url.protocol === 'http:' && !allowHttp)
    return invalid('Use https:// here; this host does not send to http:// URLs.')
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    return invalid(`Use an ${allowHttp ? 'http:// or ' : ''}https:// URL.`)
  }
  if (url.username || url.password) {
    return invalid('Take the user name and password out of the URL; a credential belongs in a header.')
  }
  const host = url.hostname.replace(/^\[|\]$/g, '')
  if (isIP(host)) {
    if (policy.allows(host)) return url
    return blocked(
      `${host} is not an address on the public internet. Use a public address or host name, ${askOperator}.`,
    )
  }
  const name = host.replace(/\.$/, '')
  if (isLocalhost(name) && !policy.allows('127.0.0.1') && !policy.allows('::1')) {
    return blocked(
      `${name} is the host's own machine, not yours. Use a name that the internet can reach, ${askOperator}.`,
    )
  }
  if (policy.publicOnly && isInternalName(name)) {
    return blocked(`${name} is not a public host name. Use a name that the internet can reach, ${askOperator}.`)
  }
  return url
}

function isInternalName(name: string): boolean {
  return !name.includes('.') || internalDomains.some((domain) => name.endsWith(`.${domain}`))
}

const invalid = (message: string) => new OutboundFailure('invalid_url', message)
const blocked = (message: string) => new OutboundFailure('blocked_address', message)
