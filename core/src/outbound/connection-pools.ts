import { LRUCache } from 'lru-cache'
import { Pool, type Client } from 'undici'

export type ConnectionPools = {
  /** The pool of an origin, to be used at once: it may be closed when others have been asked for. */
  of(origin: string): Pool
  destroy(): Promise<void>
}

type PoolsOptions = {
  connections: number
  maxOrigins: number
  makeClient: (origin: string | URL) => Client
}

/** A connection is not used for new requests after this long, so that a receiver that moves in DNS is followed. */
const connectionLifetimeMs = 300_000

/**
 * One pool per origin, of the origins used last. undici's Agent forgets a pool only once its connections have gone, and
 * can otherwise but refuse a new origin; here the origin that was not used for longest gives way, after the requests
 * that it still has under way.
 */
export function createConnectionPools({ connections, maxOrigins, makeClient }: PoolsOptions): ConnectionPools {
  const closing = new Set<Pool>()

  function retire(pool: Pool) {
    closing.add(pool)
    void pool.close().then(
      () => closing.delete(pool),
      () => closing.delete(pool), // it was destroyed meanwhile
    )
  }

  const pools = new LRUCache<string, Pool>({ max: maxOrigins, dispose: retire })

  function makePool(origin: string): Pool {
    const pool = new Pool(origin, { connections, factory: makeClient, clientTtl: connectionLifetimeMs })
    const forgetIfUnused = () => {
      if (pool.stats.connected === 0 && pool.stats.size === 0 && pools.peek(origin) === pool) pools.delete(origin)
    }
    return pool.on('disconnect', forgetIfUnused).on('connectionError', forgetIfUnused)
  }

  return {
    of(origin) {
      const known = pools.get(origin)
      if (known) return known
      const pool = makePool(origin)
      pools.set(origin, pool)
      return pool
    },
    async destroy() {
      const all = [...pools.values(), ...closing]
      pools.clear()
      await Promise.all(all.map((pool) => pool.destroy()))
    },
  }
}
