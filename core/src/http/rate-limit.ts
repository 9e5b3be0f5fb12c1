import { LRUCache } from 'lru-cache'
import { StoaError, type Clock } from '../kernel/index.ts'

export interface RateLimit {
  /** Counts one request. Throws 429 when the window is full. */
  take(key: string, limit: number, windowSeconds: number): RateLimitState
}

export interface RateLimitState {
  limit: number
  remaining: number
  /** Unix seconds at which the window ends. */
  resetsAt: number
}

const mostKeys = 50_000

/**
 * Fixed windows in this process's memory: with N processes a credential gets up to N times the limit. A shared counter would
 * cost a database write a request; the limit protects the host, it is not billing.
 */
export function createRateLimit(clock: Clock): RateLimit {
  const windows = new LRUCache<string, { endsAt: number; count: number }>({ max: mostKeys })
  return {
    take(key, limit, windowSeconds) {
      const now = clock.now().getTime()
      let window = windows.get(key)
      if (!window || window.endsAt <= now) {
        window = { endsAt: now + windowSeconds * 1000, count: 0 }
        windows.set(key, window)
      }
      window.count++
      if (window.count > limit) {
        throw new StoaError('rate_limited', { retryAfter: Math.max(1, Math.ceil((window.endsAt - now) / 1000)) })
      }
      return { limit, remaining: limit - window.count, resetsAt: Math.ceil(window.endsAt / 1000) }
    },
  }
}
