import { setImmediate } from 'node:timers/promises'
import type { Dispatcher } from 'undici'
import { createAddressPolicy } from './address-policy.ts'
import { classifyError, closed } from './classify-error.ts'
import { createConnectionPools } from './connection-pools.ts'
import { createDigestAuthentication } from './digest-authentication.ts'
import { createGuardedConnector } from './guarded-connector.ts'
import { judgeUrl } from './judge-url.ts'
import { OutboundFailure, proxyFailure } from './outbound-failure.ts'
import { basicAuthorization, type OutboundRequest, prepareHeaders } from './outbound-request.ts'
import { type OutboundResponse, type OutboundResult, readBody } from './outbound-result.ts'
import { createProxyTunnel } from './proxy-tunnel.ts'
import { createHostResolver, type HostResolver } from './resolve-host.ts'
import { createTrackedClient, nobodyWaits, type Progress, startProgress } from './tracked-client.ts'

export type OutboundOptions = {
  /** `true` opens loopback and the private ranges, a list opens those CIDRs. Metadata services only by CIDR. */
  allowPrivateNetworks: boolean | string[]
  allowHttp: boolean
  /** Sent as User-Agent unless the request has its own. */
  userAgent: string
  /**
   * Connections to one origin at once, 64 by default. Not fewer than the requests that may be under way at once, or
   * receivers on one host that hang keep another on the same host waiting; waiting counts to the deadline.
   */
  connectionsPerOrigin?: number
  /** Origins whose connections are kept at once, 1,024 by default; the one not used for longest gives way. */
  keptOrigins?: number
  /** An `http:` or `https:` proxy that everything goes through by HTTP CONNECT; it may be on any address. */
  proxy?: string | null
  /** Told what is wrong with the proxy. For a log: neither its address nor its password is in it. */
  onProxyFault?: (reason: string) => void
  /** Stands in for DNS in tests. Its answers are judged like any other. */
  resolver?: HostResolver
  /** PEM of the authorities to trust instead of Node's, for tests; operators have `NODE_EXTRA_CA_CERTS`. */
  certificateAuthority?: string
}

/** The one way in which Stoa sends a request to an address somebody else chose. */
export type Outbound = {
  /** Never rejects for what happens on the network: that is in the result. */
  send(request: OutboundRequest): Promise<OutboundResult>
  /** For the moment a URL is entered: a sentence that tells its author what to do, or null. Asks no name server. */
  checkUrl(url: string): string | null
  /** Takes no new requests, waits for those under way (each has its deadline) and closes the idle connections. */
  close(): Promise<void>
}

/** An answer without its circumstances, which are the same for an answer and for none. */
type Answer = Pick<OutboundResponse, 'status' | 'headers' | 'body' | 'truncated' | 'truncatedBy'>

const defaultConnectionsPerOrigin = 64
const defaultKeptOrigins = 1_024

/**
 * undici `request()` and not `fetch`: fetch follows redirects past the guard and inflates what it gets.
 * @throws TypeError when `allowPrivateNetworks` has an entry that is no CIDR, or `proxy` is no URL of a proxy.
 */
export function createOutbound(options: OutboundOptions): Outbound {
  const { certificateAuthority } = options
  const policy = createAddressPolicy(options.allowPrivateNetworks)
  const resolver = options.resolver ?? createHostResolver()
  const tunnel = options.proxy
    ? createProxyTunnel({ url: options.proxy, resolver, certificateAuthority, onFault: options.onProxyFault })
    : undefined
  const connect = createGuardedConnector({ policy, resolver, tunnel, certificateAuthority })
  const makeClient = (origin: string | URL) => createTrackedClient(new URL(origin), connect)
  const pools = createConnectionPools({
    connections: options.connectionsPerOrigin ?? defaultConnectionsPerOrigin,
    maxOrigins: options.keptOrigins ?? defaultKeptOrigins,
    makeClient,
  })
  const startDigest = createDigestAuthentication()
  const underWay = new Set<Promise<OutboundResult>>()
  let closing = false

  /** One request and its answer; `start` is called for each time that it is sent. */
  async function deliver(
    dispatched: Dispatcher.RequestOptions & { origin: string; signal: AbortSignal },
    maxResponseBytes: number,
    start: () => Progress,
  ): Promise<Answer> {
    const read = async (dispatcher: Dispatcher, opaque: Progress): Promise<Answer> => {
      try {
        const answer = await orAborted(dispatcher.request({ ...dispatched, opaque }), dispatched.signal)
        const body = await readBody(answer.body, maxResponseBytes)
        return { status: answer.statusCode, headers: answer.headers as OutboundResponse['headers'], ...body }
      } finally {
        opaque.over = true
      }
    }
    const first = start()
    try {
      return await read(pools.of(dispatched.origin), first)
    } catch (error) {
      // The receiver closed an idle connection just as we wrote to it: the request was not looked at. Others in the
      // pool are likely as stale, so the second try has a connection to itself.
      const stale = classifyError(error).error === 'reset' && first.reused
      if (!stale && error !== nobodyWaits) throw error
      const fresh = makeClient(dispatched.origin)
      try {
        return await read(fresh, start())
      } finally {
        await fresh.destroy()
      }
    }
  }

  async function exchange(request: OutboundRequest, signal: AbortSignal, start: () => Progress): Promise<Answer> {
    if (closing) throw closed()
    const url = judgeUrl(request.url, policy, options.allowHttp)
    if (url instanceof OutboundFailure) throw url
    const { credentials, method } = request
    const { origin } = url
    const path = url.pathname + url.search
    const headers = prepareHeaders(request.headers ?? {}, options.userAgent)
    const send = (authorization: string | null) => {
      const authorized = authorization === null ? headers : { ...headers, authorization }
      const target = { origin, path, method: method as Dispatcher.HttpMethod }
      return deliver(
        { ...target, headers: authorized, body: request.body ?? null, signal },
        request.maxResponseBytes,
        start,
      )
    }
    if (!credentials) return send(null)
    delete headers.authorization
    if (credentials.type === 'basic') return send(basicAuthorization(credentials))

    const digest = startDigest(credentials, { origin, method, uri: path })
    const first = await send(digest.first)
    if (first.status !== 401) return first
    const authorization = digest.answer(first.headers['www-authenticate'])
    if (authorization === null) return first
    await setImmediate() // undici takes the connection back a turn after the answer; sooner, another would be opened
    const second = await send(authorization)
    if (second.status === 401) digest.refused()
    return second
  }

  async function attempt(request: OutboundRequest): Promise<OutboundResult> {
    const started = performance.now()
    const sent: Progress[] = []
    const start = () => {
      const progress = startProgress()
      sent.push(progress)
      return progress
    }
    // Not AbortSignal.timeout: thousands of finished requests would each leave a timer behind until it fires.
    const deadline = new AbortController()
    const timer = setTimeout(() => deadline.abort(tooLate(request.timeoutMs)), request.timeoutMs)
    try {
      const answer = await exchange(request, deadline.signal, start)
      return { ok: true, ...answer, ...circumstances(started, sent) }
    } catch (error) {
      const failure = classifyError(error)
      const { error: code, message } = failure.error === 'timeout' && sent.at(-1)?.atProxy ? proxyFailure() : failure
      return { ok: false, error: code, message, ...circumstances(started, sent) }
    } finally {
      clearTimeout(timer)
    }
  }

  return {
    async send(request) {
      const sending = attempt(request)
      underWay.add(sending)
      return sending.finally(() => underWay.delete(sending))
    },
    checkUrl(url) {
      const judged = judgeUrl(url, policy, options.allowHttp)
      return judged instanceof OutboundFailure ? judged.message : null
    },
    async close() {
      closing = true
      await Promise.all(underWay)
      tunnel?.close()
      await pools.destroy()
      resolver.close()
    },
  }
}

/** Of several times that a request was sent, the last counts; but a connection that the first opened was not kept. */
function circumstances(started: number, sent: Progress[]) {
  const last = sent.at(-1)
  const connected = sent.findLast((progress) => progress.connectMilliseconds !== null)?.connectMilliseconds ?? null
  const firstByteAt = last?.firstByteAt ?? null
  return {
    durationMs: Math.round(performance.now() - started),
    timings: {
      connectMilliseconds: connected === null ? null : Math.round(connected),
      firstByteMilliseconds: firstByteAt === null ? null : Math.round(firstByteAt - started),
    },
    remoteAddress: last?.remoteAddress ?? null,
  }
}

/** undici notices an abort only once the request has a connection; resolving and queueing must end on time as well. */
function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as OutboundFailure), { once: true })
    promise.then(resolve, reject)
  })
}

function tooLate(timeoutMs: number): OutboundFailure {
  return new OutboundFailure('timeout', `The receiver did not answer within ${timeoutMs / 1_000} s.`)
}
