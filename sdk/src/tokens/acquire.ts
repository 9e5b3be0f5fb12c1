import { setTimeout as sleep } from 'node:timers/promises'
import { LockTimeoutError, type LockTimes } from './token-store.ts'

export const defaultLease = 15_000
const defaultWait = 20_000

/**
 * Tries again until it has the lock. By polling, because neither a file nor SQLite can wake another process; who holds a
 * lock asks the host something, so some ten milliseconds more are not felt.
 */
export async function acquire<Lock>(
  key: string,
  times: LockTimes,
  tryOnce: (leaseMilliseconds: number) => Promise<Lock | null> | Lock | null,
): Promise<Lock> {
  const { leaseMilliseconds = defaultLease, waitMilliseconds = defaultWait } = times
  // Monotonic: the machine's clock may be set while somebody waits.
  const deadline = performance.now() + waitMilliseconds
  for (let delay = 5; ; delay = Math.min(delay * 1.5, 50)) {
    const lock = await tryOnce(leaseMilliseconds)
    if (lock !== null) return lock
    if (performance.now() >= deadline) throw new LockTimeoutError(key)
    await sleep(delay * (0.5 + Math.random()))
  }
}
