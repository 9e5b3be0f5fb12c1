import { inTransaction } from '../../database/index.ts'
import { publishMany } from '../../events/index.ts'
import { nowIso, type StoaError } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { isDeclined, recordDeclined, type Declinable } from './charge-attempts.ts'
import { readTerms } from './charge-terms.ts'

/** Keeps what was declined by a transaction that was rolled back for it, in one of its own. Nothing for what was merely wrong. */
export async function keepDeclined(ctx: WalletContext, request: Declinable, error: StoaError): Promise<void> {
  if (!isDeclined(error)) return
  await inTransaction(ctx.db, async (trx) => {
    const now = nowIso(ctx.clock)
    const terms = await readTerms(trx, [request], now)
    await publishMany(ctx, trx, await recordDeclined(trx, [{ request, error }], { now, terms }))
  })
}
