import { acquire } from './acquire.ts'
import { LockLostError, matches, type LockTimes, type Session, type TokenStore } from './token-store.ts'

/** Keeps tokens in this process, until it ends: for tests and for trying things out. */
export function memoryTokenStore(times: LockTimes = {}): TokenStore {
  // As text, so that nobody changes a stored session by changing the object they gave or got.
  const sessions = new Map<string, string>()
  const locks = new Map<string, { until: number }>()

  async function withLock<T>(...[key, work]: Parameters<TokenStore['withLock']>): Promise<T> {
    const lock = await acquire(key, times, (lease) => {
      if ((locks.get(key)?.until ?? 0) > performance.now()) return null
      const taken = { until: performance.now() + lease }
      locks.set(key, taken)
      return taken
    })
    const write = async (change: () => void) => {
      if (locks.get(key) !== lock) throw new LockLostError(key)
      change()
    }
    try {
      return (await work({
        get: () => get(key),
        set: (session) => write(() => sessions.set(key, JSON.stringify(session))),
        delete: () => write(() => sessions.delete(key)),
      })) as T
    } finally {
      if (locks.get(key) === lock) locks.delete(key)
    }
  }

  async function get(key: string): Promise<Session | null> {
    const stored = sessions.get(key)
    return stored === undefined ? null : (JSON.parse(stored) as Session)
  }

  return {
    get,
    withLock,
    set: (key, session) => withLock(key, (locked) => locked.set(session)),
    delete: (key) => withLock(key, (locked) => locked.delete()),
    async list(filter) {
      const all = [...sessions].map(([key, stored]) => ({ key, session: JSON.parse(stored) as Session }))
      return all.filter(({ session }) => matches(session, filter))
    },
  }
}
