import { Agent, Pool, type Dispatcher } from 'undici'
import { createAddressPolicy } from './address-policy.ts'
import { classifyError, closed } from './classify-error.ts'
import { createGuardedConnector } from './guarded-connector.ts'
import { judgeUrl } from './judge-url.ts'
import { OutboundFailure } from './outbound-failure.ts'
import { type OutboundRequest, prepareHeaders } from './outbound-request.ts'
import { type OutboundResponse, type OutboundResult, readBody } from './outbound-result.ts'
import { createHostResolver, type HostResolver } from './resolve-host.ts'
import { createTrackedClient, type TraceHolder } from './tracked-client.ts'

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
  /** Stands in for DNS in tests. Its answers are judged like any other. */
  resolver?: HostResolver
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

const defaultConnectionsPerOrigin = 64

/**
 * undici `request()` and not `fetch`: fetch follows redirects past the guard and inflates what it gets.
 * @throws TypeError when `allowPrivateNetworks` has an entry that is no CIDR.
 */
export function createOutbound(options: OutboundOptions): Outbound {
  const policy = createAddressPolicy(options.allowPrivateNetworks)
  const resolver = options.resolver ?? createHostResolver()
  const connect = createGuardedConnector(policy, resolver)
  const connections = options.connectionsPerOrigin ?? defaultConnectionsPerOrigin
  const makeClient = (origin: string | URL) => createTrackedClient(new URL(origin), connect)
  const agent = new Agent({
    factory: (origin) => new Pool(origin, { connections, factory: makeClient }),
  })
  const underWay = new Set<Promise<OutboundResult>>()
  let closing = false

  async function exchange(request: OutboundRequest, started: number, signal: AbortSignal): Promise<OutboundResponse> {
    if (closing) throw closed()
    const url = judgeUrl(request.url, policy, options.allowHttp)
    if (url instanceof OutboundFailure) throw url
    const dispatched: Dispatcher.RequestOptions<TraceHolder> = {
      origin: url.origin,
      path: url.pathname + url.search,
      method: request.method as Dispatcher.HttpMethod,
      headers: prepareHeaders(request.headers ?? {}, options.userAgent),
      body: request.body ?? null,
      signal,
    }
    const read = async (dispatcher: Dispatcher, holder: TraceHolder): Promise<OutboundResponse> => {
      const answer = await orAborted(dispatcher.request({ ...dispatched, opaque: holder }), signal)
      const remoteAddress = holder.trace?.remoteAddress() ?? ''
      const body = await readBody(answer.body, request.maxResponseBytes)
      const headers = answer.headers as OutboundResponse['headers']
      return { ok: true, status: answer.statusCode, headers, ...body, durationMs: since(started), remoteAddress }
    }
    const first: TraceHolder = {}
    try {
      return await read(agent, first)
    } catch (error) {
      // The receiver closed an idle connection just as we wrote to it: the request was not looked at. Others in the
      // pool are likely as stale, so the second try has a connection to itself.
      if (classifyError(error).error !== 'reset' || !first.trace?.wasReused()) throw error
      const fresh = makeClient(url.origin)
      try {
        return await read(fresh, {})
      } finally {
        await fresh.destroy()
      }
    }
  }

  async function attempt(request: OutboundRequest): Promise<OutboundResult> {
    const started = performance.now()
    // Not AbortSignal.timeout: thousands of finished requests would each leave a timer behind until it fires.
    const deadline = new AbortController()
    const timer = setTimeout(() => deadline.abort(tooLate(request.timeoutMs)), request.timeoutMs)
    try {
      return await exchange(request, started, deadline.signal)
    } catch (error) {
      const failure = classifyError(error)
      return { ok: false, error: failure.error, message: failure.message, durationMs: since(started) }
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
      await agent.destroy()
      resolver.close()
    },
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

const since = (started: number) => Math.round(performance.now() - started)
