import { lookup, Resolver } from 'node:dns/promises'
import { LRUCache } from 'lru-cache'
import { createHostsFile } from './hosts-file.ts'
import { OutboundFailure } from './outbound-failure.ts'

/** Turns a host name into its addresses. Decides nothing about them. */
export type HostResolver = {
  /** All addresses, at least one. Rejects with an `OutboundFailure` of code `dns`. */
  resolve(name: string): Promise<string[]>
  close(): void
}

type ResolverOptions = {
  /** Name servers as `ip[:port]`; default: those of the machine. */
  servers?: string[]
  hostsFile?: string
}

/** A record's own TTL holds within these bounds, in seconds. The cache is never a guard: what it gives is judged again. */
const ttlBounds = { min: 1, max: 60 }
const cachedNames = 10_000

/**
 * Names are asked over c-ares, because `dns.lookup` (getaddrinfo) occupies one of four libuv threads for as long as a
 * name server keeps silent: four names on a hanging server would stall every file and crypto call of the process.
 *
 * c-ares knows neither the hosts file nor search domains, so:
 * - `localhost` and below is loopback, asking nobody (RFC 6761);
 * - the hosts file is read here. Falling back to `dns.lookup` for it was rejected: a tenant whose name server answers
 *   NXDOMAIN at first and then hangs could steer us back onto those four threads;
 * - names without a dot (a container, a machine on the LAN) do fall back to `dns.lookup`. Tenants have no say in how
 *   those resolve, and they only get here when private networks are allowed.
 */
export function createHostResolver({ servers, hostsFile }: ResolverOptions = {}): HostResolver {
  const resolver = new Resolver({ timeout: 2_000, tries: 2 })
  if (servers) resolver.setServers(servers)
  const findInHostsFile = createHostsFile(hostsFile)
  const cache = new LRUCache<string, string[]>({ max: cachedNames })
  const asking = new Map<string, Promise<string[]>>()

  async function ask(name: string): Promise<string[]> {
    const answers = await Promise.allSettled([
      resolver.resolve4(name, { ttl: true }),
      resolver.resolve6(name, { ttl: true }),
    ])
    const records = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
    if (records.length > 0) {
      const ttl = Math.min(...records.map((record) => record.ttl))
      const addresses = records.map((record) => record.address)
      cache.set(name, addresses, { ttl: 1_000 * Math.max(ttlBounds.min, Math.min(ttlBounds.max, ttl)) })
      return addresses
    }
    if (!name.includes('.'))
      return (await lookup(name, { all: true }).catch(() => fail(true))).map((found) => found.address)
    return fail(answers.every((answer) => answer.status === 'rejected' && isNoSuchName(answer.reason)))
  }

  return {
    async resolve(host) {
      const name = host.toLowerCase().replace(/\.$/, '')
      if (isLocalhost(name)) return ['127.0.0.1', '::1']
      const listed = await findInHostsFile(name)
      if (listed.length > 0) return listed
      const cached = cache.get(name)
      if (cached) return cached
      const running = asking.get(name)
      if (running) return running
      const started = ask(name).finally(() => asking.delete(name))
      asking.set(name, started)
      return started
    },
    close: () => resolver.cancel(),
  }
}

export function isLocalhost(name: string): boolean {
  return name === 'localhost' || name.endsWith('.localhost')
}

function isNoSuchName(reason: unknown): boolean {
  const code = (reason as NodeJS.ErrnoException).code
  return code === 'ENOTFOUND' || code === 'ENODATA'
}

function fail(noSuchName: boolean): never {
  throw new OutboundFailure(
    'dns',
    noSuchName
      ? 'The host name has no address. Check its spelling and that its DNS records exist.'
      : 'The name servers of this host name did not answer. Check that they are reachable.',
  )
}
