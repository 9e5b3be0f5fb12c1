import { request as requestPlain, type ClientRequest, type IncomingHttpHeaders } from 'node:http'
import { request as requestSecure } from 'node:https'
import { isIP, type Socket } from 'node:net'
import { blockedAddress, notConnected, OutboundFailure, proxyFailure } from './outbound-failure.ts'
import type { HostResolver } from './resolve-host.ts'
import { createLookup } from './resolved-lookup.ts'

export type ProxyTunnel = {
  /**
   * A connection to the target through the proxy (RFC 9110 section 9.3.6). Rejects with an `OutboundFailure`: `proxy`,
   * or what the proxy says that is wrong with the target.
   */
  open(host: string, port: number): Promise<Socket>
  /** Ends the tunnels that are being opened. */
  close(): void
}

export type ProxyOptions = {
  /** `http:` or `https:`; may be on any address. User name and password become `Proxy-Authorization`. */
  url: string
  resolver: HostResolver
  certificateAuthority?: string | undefined
  /**
   * Told what is wrong with the proxy, the same at most once a minute. For the operator's log: neither its address nor
   * its password is in it.
   */
  onFault?: ((reason: string) => void) | undefined
}

const answerWithinMs = 10_000
const tellAgainAfterMs = 60_000

/**
 * What a proxy may say about the target in `Proxy-Status` (RFC 9209) or Squid's own header. Everything else, a bare 502
 * included, is the proxy's fault: from the status alone nobody can tell its broken uplink from a dead receiver.
 */
const targetFaults: [RegExp, () => OutboundFailure][] = [
  [/\berror=(?:destination_ip_prohibited|http_request_denied)\b/, blockedAddress],
  [/\berror=dns_(?:error|timeout)\b|^ERR_DNS_FAIL\b/, notResolved],
  [
    /\berror=(?:destination_(?:not_found|unavailable|ip_unroutable)|connection_\w+)\b|^ERR_CONNECT_FAIL\b/,
    notConnected,
  ],
]

/** @throws TypeError when `url` is no such URL; it is not repeated, because a password may be in it. */
export function createProxyTunnel({ url, resolver, certificateAuthority, onFault }: ProxyOptions): ProxyTunnel {
  const proxy = parseProxy(url)
  const authorization = authorizationOf(proxy)
  const proxyHost = proxy.hostname.replace(/^\[|\]$/g, '')
  const secure = proxy.protocol === 'https:'
  const opening = new Set<ClientRequest>()
  // The resolver here is not guarded: the proxy is the operator's choice and mostly on a private address.
  const lookup = createLookup(resolver.resolve)
  let told = { reason: '', at: -Infinity }
  const fault = (reason: string) => {
    if (reason !== told.reason || performance.now() - told.at > tellAgainAfterMs) {
      told = { reason, at: performance.now() }
      onFault?.(reason)
    }
    return proxyFailure()
  }

  return {
    open(host, port) {
      const target = `${isIP(host) === 6 ? `[${host}]` : host}:${port}`
      const request = (secure ? requestSecure : requestPlain)({
        method: 'CONNECT',
        host: proxyHost,
        // Node would verify the proxy by the `host` header, which names the target.
        servername: isIP(proxyHost) ? '' : proxyHost,
        port: proxy.port || (secure ? 443 : 80),
        path: target,
        setHost: false,
        // Without `connection` Node says "close", which some proxies take for the tunnel.
        headers: { host: target, connection: 'keep-alive', ...authorization },
        agent: false,
        lookup,
        maxHeaderSize: 16_384,
        ...(certificateAuthority !== undefined && { ca: certificateAuthority }),
      })
      opening.add(request)
      const timer = setTimeout(() => request.destroy(new Error('no answer')), answerWithinMs)
      return new Promise<Socket>((resolve, reject) => {
        request.on('connect', ({ statusCode = 0, headers }, socket: Socket, head: Buffer) => {
          if (statusCode >= 200 && statusCode <= 299) {
            if (head.length > 0) socket.unshift(head)
            return resolve(socket)
          }
          socket.on('error', () => {}).destroy()
          reject(targetFault(headers) ?? fault(`it answered CONNECT with status ${statusCode}`))
        })
        request.on('error', (error: NodeJS.ErrnoException) => reject(fault(reasonOf(error))))
        request.end()
      }).finally(() => {
        clearTimeout(timer)
        opening.delete(request)
      })
    },
    close() {
      for (const request of opening) request.destroy(new Error('closed'))
    },
  }
}

function parseProxy(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url
  throw new TypeError('proxy: this is not an http:// or https:// URL')
}

function authorizationOf({ username, password }: URL): Record<string, string> {
  if (!username && !password) return {}
  try {
    const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
    return { 'proxy-authorization': `Basic ${Buffer.from(pair).toString('base64')}` }
  } catch {
    throw new TypeError('proxy: the user name or password in the URL is not percent-encoded')
  }
}

function targetFault(headers: IncomingHttpHeaders): OutboundFailure | null {
  const said = [headers['proxy-status'], headers['x-squid-error']].flat().filter((value) => value !== undefined)
  const found = targetFaults.find(([pattern]) => said.some((value) => pattern.test(value)))
  return found ? found[1]() : null
}

/** An errno or a code of TLS or the HTTP parser. The message of an error would name the address. */
function reasonOf(error: NodeJS.ErrnoException): string {
  if (error instanceof OutboundFailure) return 'its host name could not be resolved'
  return error.code ? `it could not be reached (${error.code})` : 'it did not answer in time'
}

function notResolved(): OutboundFailure {
  return new OutboundFailure('dns', 'The host name has no address. Check its spelling and that its DNS records exist.')
}
