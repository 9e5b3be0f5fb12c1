import { createInstallationWorker } from '../../core/src/installations/index.ts'
import type { World } from './world.ts'

/**
 * A worker whose process ends when it has looked at the clock this often: wherever that is, what it had not committed is
 * gone, and its lease stays behind. False when it got through everything.
 */
export async function workUntilKilled(world: World, looks: number): Promise<boolean> {
  let left = looks
  let isKilled = false
  const clock = {
    now() {
      if (left-- <= 0) {
        isKilled = true
        throw Object.assign(new Error('killed'), { code: 'ECONNRESET' })
      }
      return world.ctx.clock.now()
    },
  }
  const logger = { debug() {}, info() {}, warn() {}, error() {} }
  const worker = createInstallationWorker({ ...world.ctx, clock, logger })
  try {
    while (!isKilled && (await worker.runDue()) > 0);
  } catch (error) {
    if (!isKilled) throw error
  }
  return isKilled
}
