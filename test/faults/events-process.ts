import { openDatabase } from '../../core/src/database/index.ts'
import { createDispatcher } from '../../core/src/deliveries/index.ts'
import { publishMany } from '../../core/src/events/index.ts'
import { systemClock } from '../../core/src/kernel/index.ts'
import { chargeEvent, createContext } from '../events/context.ts'

/**
 * A process to be killed. Publishes in one transaction, tells its parent the ids once that has committed, then either does
 * nothing (the time between commit and send) or sends, until it is killed.
 */
const [url = '', count = '0', then = 'idle'] = process.argv.slice(2)
const ctx = createContext(await openDatabase(url), { clock: systemClock, webhooks: { concurrency: 8 } })
const ids = await ctx.db.transaction((trx) =>
  publishMany(
    ctx,
    trx,
    Array.from({ length: Number(count) }, () => chargeEvent()),
  ),
)
process.send!(ids)
if (then === 'send') createDispatcher(ctx).start()
setInterval(() => undefined, 60_000)
