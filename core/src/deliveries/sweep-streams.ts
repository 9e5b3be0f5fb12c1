import type { Db } from '../database/index.ts'
import { removeEndpoint, type EventsContext } from '../events/index.ts'
import { nowIso } from '../kernel/index.ts'
import { deleteOldTries, deleteStream, findForsaken } from './stream-store.ts'

const mostAtOnce = 100

/**
 * Removes streams that nobody has been connected to since a time, unless they are kept: a program that is killed cannot
 * delete its own, and what is published goes on waiting for them.
 */
export function sweepStreams({
  clock,
  dialect,
}: Pick<EventsContext, 'clock' | 'dialect'>): (db: Db, before: string) => Promise<void> {
  return async (db, before) => {
    for (const endpointId of await findForsaken(db, before, mostAtOnce)) {
      await db.transaction(async (trx) => {
        await removeEndpoint(trx, dialect, endpointId, nowIso(clock))
        await deleteStream(trx, endpointId)
      })
    }
    await deleteOldTries(db, before)
  }
}
