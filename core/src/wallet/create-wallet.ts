import type { Knex } from 'knex'
import type { Operation } from '../http/index.ts'
import { chargeOperations } from './charges/charge-operations.ts'
import { createChargeQueue } from './charges/charge-queue.ts'
import type { WalletContext } from './context.ts'
import { adjustmentOperations } from './proof/adjustment-operations.ts'
import { meterOperations } from './meters/meter-operations.ts'
import { topUp, type NewTopUp, type TopUp } from './wallets/top-ups.ts'
import { walletOperations } from './wallets/wallet-operations.ts'

/** One host's wallet: its operations share one queue of charges. */
export interface Wallet {
  operations: Operation[]
  /** As the operation `topUp`, without a caller. `db` must be a transaction. */
  topUp(db: Knex.Transaction, input: NewTopUp): Promise<{ topUp: TopUp; replayed: boolean }>
  /** Resolves when every charge that was submitted has been answered. */
  drain(): Promise<void>
}

export function createWallet(ctx: WalletContext): Wallet {
  const queue = createChargeQueue(ctx)
  return {
    operations: [
      ...chargeOperations(ctx, queue),
      ...meterOperations(ctx),
      ...walletOperations(ctx),
      ...adjustmentOperations(ctx),
    ],
    topUp: (db, input) => topUp(ctx, db, input),
    drain: () => queue.drain(),
  }
}
